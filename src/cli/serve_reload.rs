//! Reads the configuration of a running server again, whoever asks for it: SIGHUP, or the administration.

use std::sync::Arc;

use super::logging::Log;
use crate::admin::{Program, ReloadMistake, Reloaded, ReloadedKey};
use crate::config::{Change, Config, Loaded, Mistake, Origin, Reload};
use crate::runtime::Server;

/// Why a configuration cannot be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// Mistakes in it, or in the files that it names.
    Mistakes(Vec<Mistake>),
    /// It cannot be read at all.
    Unreadable(String),
}

/// What can change while the server runs.
pub struct Reloading {
    pub server: Server,
    pub log: Arc<Log>,
    pub program: Program,
    /// What is in force.
    pub config: Config,
}

impl Reloading {
    /// Takes over what a new configuration can change without a restart, or nothing if it has a mistake; and says so in the log.
    pub fn reload(&mut self, loaded: Result<(Loaded, Vec<String>), LoadError>) -> Result<Reloaded, Vec<ReloadMistake>> {
        let reloaded = loaded.map_err(LoadError::into_mistakes).and_then(|(loaded, warnings)| {
            let Reload { in_force, changed, needs_restart } = self.config.reload(&loaded.config);
            let found = self.server.reconfigure(&in_force.runtime).map_err(|error| vec![mistake(error.to_string())])?;
            self.log.reload(&in_force.log);
            self.program.set_configuration(in_force.to_json());
            self.config = in_force;
            let keys = |changes: Vec<Change>| changes.into_iter().map(reloaded_key).collect();
            let warnings = warnings.into_iter().chain(found).collect();
            Ok(Reloaded { changed: keys(changed), needs_restart: keys(needs_restart), warnings })
        });
        match &reloaded {
            Ok(reloaded) => self.tell(reloaded),
            Err(mistakes) => {
                let told: Vec<String> = mistakes.iter().map(told).collect();
                tracing::error!("the configuration stays as it was: {}", told.join("; "));
            }
        }
        reloaded
    }

    fn tell(&self, Reloaded { changed, needs_restart, warnings }: &Reloaded) {
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        for ReloadedKey { key, from, to, .. } in changed {
            tracing::info!("{key} is {to} now, it was {from}");
        }
        for ReloadedKey { key, from, to, why } in needs_restart {
            tracing::warn!("{key} needs a restart to become {to}, and stays {from}: {why}");
        }
        let listeners: Vec<String> = self.server.listeners().map(ToString::to_string).collect();
        tracing::info!(
            listen = %listeners.join(","),
            changed = changed.len(),
            needs_restart = needs_restart.len(),
            "the configuration, certificates, passwords and access rules are read again"
        );
    }
}

impl LoadError {
    fn into_mistakes(self) -> Vec<ReloadMistake> {
        match self {
            Self::Mistakes(mistakes) => mistakes.into_iter().map(ReloadMistake::from).collect(),
            Self::Unreadable(problem) => vec![mistake(problem)],
        }
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mistakes(mistakes) => {
                let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                out.write_str(&told.join("\n"))
            }
            Self::Unreadable(problem) => out.write_str(problem),
        }
    }
}

impl From<Mistake> for ReloadMistake {
    fn from(Mistake { origin, key, problem, remedy }: Mistake) -> Self {
        let (file, line) = match origin {
            Origin::File { path, line, .. } => (Some(path.display().to_string()), Some(line).filter(|line| *line > 0)),
            Origin::Environment { variable } => (Some(format!("environment variable {variable}")), None),
            Origin::Flag { flag } => (Some(format!("flag {flag}")), None),
            Origin::Default => (None, None),
        };
        Self { file, line, key: Some(key).filter(|key| !key.is_empty()), problem, remedy }
    }
}

fn mistake(problem: String) -> ReloadMistake {
    ReloadMistake { problem, ..ReloadMistake::default() }
}

/// In one line.
fn told(ReloadMistake { file, line, key, problem, remedy }: &ReloadMistake) -> String {
    let place = [file.clone(), line.map(|line| line.to_string())].into_iter().flatten().collect::<Vec<_>>().join(":");
    let parts = [Some(place).filter(|place| !place.is_empty()), key.clone(), Some(problem.clone())];
    let told = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    if remedy.is_empty() { told } else { format!("{told} ({remedy})") }
}

fn reloaded_key(Change { key, from, to, why }: Change) -> ReloadedKey {
    ReloadedKey { key, from, to, why: why.to_owned() }
}
