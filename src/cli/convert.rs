//! `ringmq convert`: from a configuration of mosquitto to one of RingMQ.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT, sources};
use crate::config::{self, ConfigError, Sources};

#[derive(Debug, Args)]
pub struct ConvertOptions {
    /// The mosquitto.conf
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the configuration [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 if there is a directive without an equivalent
    #[arg(long)]
    strict: bool,
}

/// Writes the equivalent configuration; the directives without an equivalent go to standard error. Exit code 2 if the file is
/// not understood, or if the result needs a decision before it can be used.
pub fn run(options: &ConvertOptions) -> ExitCode {
    let mut import = match sources::mosquitto(&options.file) {
        Ok(import) => import,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let mistakes = std::mem::take(&mut import.written.mistakes);
    if !mistakes.is_empty() {
        eprintln!("{}", ConfigError { mistakes });
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let text = import.to_toml(&options.file);
    let written = match &options.output {
        Some(path) => std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display())),
        None => std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("standard output: {error}")),
    };
    if let Err(problem) = written {
        eprintln!("ringmq: cannot be written: {problem}");
        return ExitCode::from(EXIT_ENVIRONMENT);
    }
    for note in &import.notes {
        eprintln!("{note}");
    }
    if let Err(error) = config::load(&Sources { written: Some(import.written), ..Sources::default() }) {
        eprintln!("the result is not a good configuration yet:\n{error}");
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    let is_failed = options.strict && !import.notes.is_empty();
    if is_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
