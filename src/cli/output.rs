//! What a command prints on standard output.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use super::EXIT_ENVIRONMENT;

/// Writes all of it: exit code 0. Whoever reads may stop reading, which is no failure; a full disk is one.
pub fn print(output: &[u8]) -> ExitCode {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(output).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("ringmq: cannot write to standard output: {error}");
            ExitCode::from(EXIT_ENVIRONMENT)
        }
        _ => ExitCode::SUCCESS,
    }
}
