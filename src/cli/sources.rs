//! Where a command's configuration comes from.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::mosquitto::{self, Import, Machine};
use crate::config::{self, ConfigError, Loaded, Sources};

/// A file and the environment, or why the file cannot be read.
pub fn with_file(path: Option<&Path>) -> Result<Sources, String> {
    let mut sources = Sources { environment: environment(), ..Sources::default() };
    if let Some(path) = path {
        sources.file = Some((path.to_owned(), read(path)?));
        sources.directory = directory_of(path);
    }
    Ok(sources)
}

/// What a mosquitto.conf says, or why it cannot be read.
pub fn mosquitto(path: &Path) -> Result<Import, String> {
    Ok(mosquitto::read(path, &read(path)?, Machine::here()))
}

/// Loads, and looks whether the files that are named can be read; or tells all that is wrong.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    config::load(sources).and_then(|loaded| match config::check_files(&loaded) {
        mistakes if mistakes.is_empty() => Ok(loaded),
        mistakes => Err(ConfigError { mistakes }),
    })
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::InvalidData => "a configuration is UTF-8: save it so",
            ErrorKind::PermissionDenied => "let this user read it",
            _ => "name a file, such as a copy of ringmq.example.toml",
        };
        format!("{}: cannot be read: {error}\n  help: {remedy}", path.display())
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
