//! What is wrong with a file or a key that the authority needs: where, what, and what to do about it. Never with what is
//! secret in it.

use std::fmt;
use std::io;
use std::path::Path;

/// Logins cannot be decided as configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}: {remedy}")]
pub struct AuthorityError {
    /// A file, with the line if it has lines (`/etc/ringmq/passwd:3`), or a key of the configuration.
    pub place: String,
    pub problem: String,
    pub remedy: String,
}

/// It works, and should not stay so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub place: String,
    pub problem: String,
    pub remedy: String,
}

/// A line that is wrong, in a text whose place is not known yet. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongLine {
    pub line: usize,
    pub problem: String,
    pub remedy: String,
}

impl AuthorityError {
    pub fn new(place: impl fmt::Display, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { place: place.to_string(), problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn of_file(path: &Path, error: &io::Error) -> Self {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "create it, or correct its path",
            io::ErrorKind::PermissionDenied => "give the broker's user the right to read it",
            _ => "name a file that can be read",
        };
        Self::new(path.display(), error.to_string(), remedy)
    }
}

impl WrongLine {
    pub(super) fn new(line: usize, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { line, problem: problem.into(), remedy: remedy.into() }
    }

    pub(super) fn of_file(self, path: &Path) -> AuthorityError {
        AuthorityError::new(format_args!("{}:{}", path.display(), self.line), self.problem, self.remedy)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.place, self.problem, self.remedy)
    }
}
