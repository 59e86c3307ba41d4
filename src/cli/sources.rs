//! Where a command's configuration comes from.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::EXIT_CONFIGURATION;
use crate::config::mosquitto::{self, Import, Machine};
use crate::config::{self, ConfigError, Loaded, Sources};

/// A file and the environment; a file that cannot be read is told, and the exit code returned.
pub fn with_file(path: Option<&Path>) -> Result<Sources, ExitCode> {
    let mut sources = Sources { environment: environment(), ..Sources::default() };
    if let Some(path) = path {
        sources.file = Some((path.to_owned(), read(path)?));
        sources.directory = directory_of(path);
    }
    Ok(sources)
}

/// What a mosquitto.conf says; a file that cannot be read is told, and the exit code returned.
pub fn mosquitto(path: &Path) -> Result<Import, ExitCode> {
    Ok(mosquitto::read(path, &read(path)?, Machine::here()))
}

/// Loads, and looks whether the files that are named can be read; what is wrong is told, and the exit code returned.
pub fn load(sources: &Sources) -> Result<Loaded, ExitCode> {
    let loaded = config::load(sources).and_then(|loaded| match config::check_files(&loaded) {
        mistakes if mistakes.is_empty() => Ok(loaded),
        mistakes => Err(ConfigError { mistakes }),
    });
    loaded.map_err(|error| {
        eprintln!("{error}");
        ExitCode::from(EXIT_CONFIGURATION)
    })
}

fn read(path: &Path) -> Result<String, ExitCode> {
    std::fs::read_to_string(path).map_err(|error| {
        eprintln!("ringmq: {}: cannot be read: {error}", path.display());
        ExitCode::from(EXIT_CONFIGURATION)
    })
}

/// The directory in which relative paths of a file start, such that it is the same wherever the result is read.
fn directory_of(path: &Path) -> Option<PathBuf> {
    std::path::absolute(path).ok()?.parent().map(Path::to_owned)
}

/// Variables of the process that are text; others cannot be ours.
fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os();
    variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
