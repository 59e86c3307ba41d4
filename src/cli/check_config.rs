//! `ringmq check-config`: reads a configuration and says what it means.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{EXIT_CONFIGURATION, output, sources};

#[derive(Debug, Args)]
pub struct CheckConfigOptions {
    /// Configuration file (TOML)
    #[arg(value_name = "FILE", required_unless_present = "config")]
    file: Option<PathBuf>,
    /// The same, as serve has it
    #[arg(short, long, value_name = "FILE", conflicts_with = "file")]
    config: Option<PathBuf>,
    /// Print nothing if it is good
    #[arg(short, long)]
    quiet: bool,
}

/// Prints the configuration as it would be in force, environment variables included: exit code 0. What is wrong goes
/// to standard error: exit code 2.
pub fn run(options: &CheckConfigOptions) -> ExitCode {
    let Some(path) = options.file.as_ref().or(options.config.as_ref()) else {
        return ExitCode::from(EXIT_CONFIGURATION);
    };
    let loaded =
        sources::with_file(Some(path)).and_then(|sources| sources::load(&sources).map_err(|error| error.to_string()));
    match loaded {
        Ok(_) if options.quiet => ExitCode::SUCCESS,
        Ok(mut loaded) => {
            // The default starts in the working directory; in a file it would start at the file.
            let storage = &mut loaded.config.runtime.storage;
            storage.dir = std::path::absolute(&storage.dir).unwrap_or_else(|_| storage.dir.clone());
            let report = format!("# {} is good. In force would be:\n{}", path.display(), loaded.config.to_toml());
            output::print(report.as_bytes())
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}
