//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::value::Problem;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line and its text; lines count from 1.
    File {
        path: PathBuf,
        line: usize,
        text: String,
    },
    Environment {
        variable: String,
    },
    Flag {
        flag: &'static str,
    },
    /// Nobody set it.
    Default,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    /// Empty when the file could not be read that far.
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

/// All mistakes that were found; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{mistake}")?;
        }
        Ok(())
    }
}

impl Origin {
    /// Where it is, in a word.
    pub fn place(&self) -> String {
        match self {
            Self::File { path, line: 0, .. } => path.display().to_string(),
            Self::File { path, line, .. } => format!("{}:{line}", path.display()),
            Self::Environment { variable } => format!("environment variable {variable}"),
            Self::Flag { flag } => format!("flag {flag}"),
            Self::Default => "defaults".to_owned(),
        }
    }
}

impl Mistake {
    pub(super) fn new(key: String, origin: Origin, Problem { problem, remedy }: Problem) -> Self {
        // Who writes a URL with a password in it by mistake must not find it in the log as well.
        let origin = match origin {
            Origin::File { path, line, .. } if key.ends_with("http.url") => {
                Origin::File { path, line, text: "url = ...".to_owned() }
            }
            other => other,
        };
        Self { origin, key, problem, remedy }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.key.is_empty() { "" } else { ": " };
        write!(formatter, "{}", self.origin.place())?;
        write!(formatter, "{separator}{}: {}", self.key, self.problem)?;
        if let Origin::File { line, text, .. } = &self.origin
            && *line > 0
        {
            write!(formatter, "\n  {line} | {text}")?;
        }
        if !self.remedy.is_empty() {
            write!(formatter, "\n  help: {}", self.remedy)?;
        }
        Ok(())
    }
}
