//! File, environment and flags to a validated [`Config`].
//!
//! Flags go before `RINGMQ_*` environment variables, these before the file, the file before the defaults. All go through
//! one table of keys, [`keys`]; `ringmq.example.toml` documents each.

mod error;
pub mod keys;
mod listen;
mod load;
mod placement;
mod rules;
mod storage;
mod value;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use crate::broker::Settings;
use crate::runtime::RuntimeConfig;

pub use error::{ConfigError, Mistake, Origin};
pub use load::{Loaded, Sources, load};
pub use value::{Problem, Value};

/// All that an operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    pub runtime: RuntimeConfig,
    pub log: LogConfig,
}

impl Default for Config {
    /// Listens on this machine only, because whoever can connect may do everything, and keeps in `./ringmq-data` what was
    /// acknowledged. A program that embeds the server may not want that: [`Broker::builder`](crate::Broker::builder) writes nothing
    /// unless it is told where.
    fn default() -> Self {
        let listeners = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, listen::PORT)).into()];
        let settings = Settings { persistence: true, ..Settings::default() };
        Self { runtime: RuntimeConfig { listeners, settings, ..RuntimeConfig::default() }, log: LogConfig::default() }
    }
}

impl Config {
    /// Reads the text of a configuration file; keys that it leaves out have their defaults.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let sources = Sources { file: Some(("configuration".into(), text.to_owned())), ..Sources::default() };
        load(&sources).map(|loaded| loaded.config)
    }

    /// The whole configuration, every key with its value, in a form that [`Config::from_toml`] reads again.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for key in keys::keys() {
            let (own_section, name) = key.name.split_once('.').unwrap_or(("", key.name));
            if own_section != section {
                section = own_section;
                out.push_str(&format!("\n[{section}]\n"));
            }
            out.push_str(&format!("{name} = {}\n", (key.show)(self)));
        }
        out
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
