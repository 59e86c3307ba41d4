//! What all commands have in common, for the long help and for the manual.

/// Environment variables, and what each is for.
pub const ENVIRONMENT: [(&str, &str); 5] = [
    ("RINGMQ_CONFIG", "the configuration file of serve, if --config names none"),
    (
        "RINGMQ_SECTION_KEY",
        "a key of the configuration, such as RINGMQ_LIMITS_QUEUED_MESSAGES_MAX=1000: before the file, after flags",
    ),
    ("RINGMQ_CTL_URL", "where ctl finds the server, if --url does not say it"),
    ("RINGMQ_CTL_TOKEN_FILE", "the file with the token for it, if --token-file names none"),
    ("STATE_DIRECTORY, NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS", "what systemd tells a service"),
];

/// What the process's exit code says (`EXIT_CONFIGURATION` and `EXIT_ENVIRONMENT` here).
pub const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "it is done"),
    ("1", "the machine, or the server that was asked, did not allow it; of doctor: something is to be changed"),
    ("2", "the command line or the configuration is wrong"),
];

/// Both, as they stand below the long help.
pub fn help() -> String {
    format!("Environment:{}\n\nExit status:{}", list(&ENVIRONMENT), list(&EXIT_STATUS))
}

fn list(entries: &[(&str, &str)]) -> String {
    entries.iter().map(|(name, meaning)| format!("\n  {name}\n          {meaning}")).collect()
}
