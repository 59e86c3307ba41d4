//! What the administration asks of the program around the server, which alone knows where the configuration comes from.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crossbeam_channel::Sender;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

/// The program, as far as the administration may ask it. A default one has nothing: an embedding program has no configuration file.
#[derive(Clone, Default)]
pub struct Program {
    reloads: Option<Sender<ReloadRequest>>,
    log: Option<Arc<dyn LogLevels>>,
    /// As a JSON object, without secrets.
    configuration: Arc<RwLock<Value>>,
}

/// Somebody wants the configuration to be read again.
#[derive(Debug)]
pub struct ReloadRequest {
    pub answer: oneshot::Sender<Result<Reloaded, Vec<ReloadMistake>>>,
}

/// What a reload has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    pub changed: Vec<ReloadedKey>,
    pub needs_restart: Vec<ReloadedKey>,
    /// What is not as it should be, although it can be used.
    pub warnings: Vec<String>,
}

/// A key of the configuration that has another value than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReloadedKey {
    pub key: String,
    pub from: String,
    pub to: String,
    /// Why it needs a restart; empty if it does not.
    pub why: String,
}

/// Why a reload has changed nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadMistake {
    /// `null` if it is not in a file.
    pub file: Option<String>,
    /// Counted from 1.
    pub line: Option<usize>,
    /// `null` if it is not about one key.
    pub key: Option<String>,
    pub problem: String,
    pub remedy: String,
}

/// Which lines go to the log: those of a level and of all more severe ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Levels of single modules by their path; they go before `level`.
    #[serde(default)]
    pub modules: BTreeMap<String, String>,
}

/// A log whose levels can change.
pub trait LogLevels: Send + Sync {
    fn get(&self) -> Levels;

    /// # Errors
    /// What is wrong with a level.
    fn set(&self, levels: &Levels) -> Result<(), String>;
}

impl Program {
    /// Whoever reads `reloads` has the configuration read again.
    pub fn new(reloads: Sender<ReloadRequest>, log: Option<Arc<dyn LogLevels>>) -> Self {
        Self { reloads: Some(reloads), log, configuration: Arc::default() }
    }

    /// The configuration that is in force, as a JSON object without secrets.
    pub fn set_configuration(&self, configuration: Value) {
        *self.configuration.write().unwrap_or_else(PoisonError::into_inner) = configuration;
    }

    pub(super) fn configuration(&self) -> Value {
        self.configuration.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn log(&self) -> Option<&dyn LogLevels> {
        self.log.as_deref()
    }

    /// `None` if nobody reads requests, or too many wait.
    pub(super) async fn reload(&self) -> Option<Result<Reloaded, Vec<ReloadMistake>>> {
        let (answer, answered) = oneshot::channel();
        self.reloads.as_ref()?.try_send(ReloadRequest { answer }).ok()?;
        answered.await.ok()
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Program")
    }
}
