//! File, environment and flags to a validated [`Config`].
//!
//! Flags go before `RINGMQ_*` environment variables, these before the file, the file before the defaults. All go through
//! one table of keys, [`keys`]; `ringmq.example.toml` documents each.

mod error;
mod files;
mod guard;
pub mod keys;
mod listen;
mod listener;
mod listener_keys;
mod listener_rules;
#[cfg(test)]
mod listener_tests;
mod load;
pub mod mosquitto;
mod networks;
mod placement;
mod reload;
mod rules;
mod server_keys;
mod show;
mod storage;
mod toml_file;
mod value;
mod written;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::admin::AdminConfig;
use crate::broker::Settings;
use crate::limits;
use crate::runtime::RuntimeConfig;

pub use error::{ConfigError, Mistake, Origin};
pub use files::check_files;
use guard::{AdminSettings, GuardSettings};
use listen::Endpoint;
pub use listener::ListenerSettings;
pub use load::{Loaded, Origins, Sources, load};
pub use reload::{Change, Reload};
pub use value::{Problem, Value};
pub use written::{Assignment, ListenerTable, Written};

/// The file that documents every key, ringmq.example.toml.
pub const EXAMPLE: &str = include_str!("../../ringmq.example.toml");

/// All that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    pub runtime: RuntimeConfig,
    pub log: LogConfig,
    /// What the sections `[tls]`, `[websocket]`, `[access]` and `[quotas]` say for all listeners; it is in `runtime.listeners` already.
    listener_defaults: ListenerSettings,
    /// What `[guard]` says; it is in `runtime.guard` already.
    guard: GuardSettings,
    admin: AdminSettings,
}

impl Default for Config {
    /// Listens on this machine only, because whoever can connect may do everything, and keeps in `./ringmq-data` what was
    /// acknowledged. A program that embeds the server may not want that: [`Broker::builder`](crate::Broker::builder) writes nothing
    /// unless it is told where.
    fn default() -> Self {
        let listeners = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, listen::PORT)).into()];
        let sys_interval = Duration::from_secs(limits::SYS_INTERVAL_S_DEFAULT);
        let settings = Settings { persistence: true, ..Settings::default() };
        Self {
            runtime: RuntimeConfig { listeners, settings, sys_interval, ..RuntimeConfig::default() },
            log: LogConfig::default(),
            listener_defaults: ListenerSettings::default(),
            guard: GuardSettings::default(),
            admin: AdminSettings::default(),
        }
    }
}

impl Config {
    /// Reads the text of a configuration file; keys that it leaves out have their defaults.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let sources = Sources { file: Some(("configuration".into(), text.to_owned())), ..Sources::default() };
        load(&sources).map(|loaded| loaded.config)
    }

    /// Where and for whom the server is administrated, if it is.
    pub fn admin(&self) -> Option<AdminConfig> {
        self.admin.to_config()
    }
}

/// What goes to the log, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    pub level: LogLevel,
    pub format: LogFormat,
    /// Levels of single modules by their path, such as `ringmq::net`; they go before `level`.
    pub modules: BTreeMap<String, LogLevel>,
}

/// The least severe kind of line that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
