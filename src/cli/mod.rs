//! The command line: what can be said there, and who does it.
//!
//! `serve` (also without a command) runs the broker, `ctl` administrates one that runs. `check-config` reads a configuration,
//! `convert` makes one of mosquitto's, `passwd` writes password files, `store` looks into a data directory, `doctor` at the
//! machine; `capacity` estimates, `generate` makes manual pages. `pub` and `sub` are clients with the flags of mosquitto_pub and
//! mosquitto_sub.

mod capacity;
mod check_config;
mod client;
mod client_options;
mod common;
mod convert;
mod ctl;
mod doctor;
mod format;
mod generate;
mod logging;
mod output;
mod passwd;
mod password_prompt;
mod properties;
mod publish;
mod replace_file;
mod serve;
mod serve_reload;
mod service_manager;
mod sources;
mod store;
mod subscribe;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The configuration or the command line is wrong.
pub const EXIT_CONFIGURATION: u8 = 2;
/// The machine does not allow what is asked: a port is taken, a file cannot be read, the kernel is too old.
pub const EXIT_ENVIRONMENT: u8 = 1;

/// RingMQ, an MQTT broker for people who own their Linux machines.
///
/// Without a command it serves, on tcp://127.0.0.1:1883 if nothing else is configured.
#[derive(Debug, Parser)]
#[command(name = "ringmq", version, args_conflicts_with_subcommands = true, max_term_width = 100)]
#[command(after_long_help = common::help())]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::ServeOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the broker (this is also what happens without a command)
    Serve(Box<serve::ServeOptions>),
    /// Say whether a configuration file is good, and show every key as it would be in force
    CheckConfig(check_config::CheckConfigOptions),
    /// Make a configuration of a mosquitto.conf, and say what has no equivalent
    Convert(convert::ConvertOptions),
    /// Administrate a running broker
    Ctl(ctl::CtlOptions),
    /// Look into a data directory that no broker uses
    Store(store::StoreOptions),
    /// Write a file with the passwords of users; the flags are those of mosquitto_passwd
    Passwd(passwd::PasswdOptions),
    /// Say what this machine should have for a goal, and does not
    Doctor(doctor::DoctorOptions),
    /// Estimate the memory, cores and network that a load needs
    Capacity(capacity::CapacityOptions),
    /// Make manual pages or shell completions
    Generate(generate::GenerateOptions),
    /// Publish messages; the flags are those of mosquitto_pub
    #[command(name = "pub", disable_help_flag = true)]
    Publish(Box<publish::PublishOptions>),
    /// Subscribe and print messages; the flags are those of mosquitto_sub
    #[command(name = "sub", disable_help_flag = true)]
    Subscribe(Box<subscribe::SubscribeOptions>),
}

/// Does what the process's command line says.
pub fn run() -> ExitCode {
    let command_line = CommandLine::parse();
    match command_line.command {
        None => serve::run(&command_line.serve),
        Some(Command::Serve(options)) => serve::run(&options),
        Some(Command::CheckConfig(options)) => check_config::run(&options),
        Some(Command::Convert(options)) => convert::run(&options),
        Some(Command::Ctl(options)) => ctl::run(&options),
        Some(Command::Store(options)) => store::run(&options),
        Some(Command::Passwd(options)) => passwd::run(options),
        Some(Command::Doctor(options)) => doctor::run(&options),
        Some(Command::Capacity(options)) => capacity::run(&options),
        Some(Command::Generate(options)) => generate::run(&options),
        Some(Command::Publish(options)) => publish::run(&options),
        Some(Command::Subscribe(options)) => subscribe::run(&options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_says_what_it_is() {
        let mut command = CommandLine::command();
        command.build();
        check(&command);

        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
    }
}
