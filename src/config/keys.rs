//! Every key of the configuration: how it is read, within which bounds, and how its value is shown.
//!
//! File, environment and flags all go through two tables: [`server_keys`](super::server_keys), and
//! [`listener_keys`](super::listener_keys), of which those in a section are also keys of the whole configuration, as defaults
//! for all listeners. So a key that is added there works everywhere; a test demands that `ringmq.example.toml` documents it.

use std::time::Duration;

use super::Config;
use super::guard::GUARD_KEYS;
use super::listener::ListenerSettings;
use super::listener_keys::LISTENER_KEYS;
use super::server_keys::SERVER_KEYS;
use super::value::{Problem, Value};

/// One key of a `T`.
pub struct Key<T> {
    /// With its section, such as `limits.packet_size_max`.
    pub name: &'static str,
    /// Its value is a path, or paths are in it: in a file they are relative to the file's directory.
    pub is_path: bool,
    pub set: fn(&mut T, &Value) -> Result<(), Problem>,
    /// The value as TOML, such that `set` reads it again.
    pub show: fn(&T) -> String,
}

/// A key of the whole configuration.
#[derive(Clone, Copy)]
pub enum ConfigKey {
    Server(&'static Key<Config>),
    /// What listeners have that do not say otherwise.
    Listeners(&'static Key<ListenerSettings>),
}

impl ConfigKey {
    pub fn name(self) -> &'static str {
        match self {
            Self::Server(key) => key.name,
            Self::Listeners(key) => key.name,
        }
    }

    pub fn is_path(self) -> bool {
        match self {
            Self::Server(key) => key.is_path,
            Self::Listeners(key) => key.is_path,
        }
    }

    pub fn set(self, config: &mut Config, value: &Value) -> Result<(), Problem> {
        match self {
            Self::Server(key) => (key.set)(config, value),
            Self::Listeners(key) => (key.set)(&mut config.listener_defaults, value),
        }
    }

    pub fn show(self, config: &Config) -> String {
        match self {
            Self::Server(key) => (key.show)(config),
            Self::Listeners(key) => (key.show)(&config.listener_defaults),
        }
    }

    /// The environment variable that sets it.
    pub fn variable(self) -> String {
        format!("RINGMQ_{}", self.name().replace('.', "_").to_ascii_uppercase())
    }
}

/// All keys of the whole configuration, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = ConfigKey> {
    // Keys without a section go first: below a section they would belong to it.
    let (first, rest) = SERVER_KEYS.split_at(SERVER_KEYS.iter().take_while(|key| !key.name.contains('.')).count());
    let defaults = LISTENER_KEYS.iter().filter(|key| key.name.contains('.')).map(ConfigKey::Listeners);
    first
        .iter()
        .map(ConfigKey::Server)
        .chain(defaults)
        .chain(GUARD_KEYS.iter().map(ConfigKey::Server))
        .chain(rest.iter().map(ConfigKey::Server))
}

/// The keys of a listener's own table.
pub fn listener_keys() -> &'static [Key<ListenerSettings>] {
    LISTENER_KEYS
}

pub fn find(name: &str) -> Option<ConfigKey> {
    keys().find(|key| key.name() == name)
}

pub fn find_of_listener(name: &str) -> Option<&'static Key<ListenerSettings>> {
    LISTENER_KEYS.iter().find(|key| key.name == name)
}

/// The sections in which keys of the whole configuration live.
pub fn sections() -> impl Iterator<Item = &'static str> {
    keys().filter_map(|key| Some(key.name().rsplit_once('.')?.0))
}

/// Whether some key of these names lives in the section of this name.
pub fn is_section(section: &str, mut names: impl Iterator<Item = &'static str>) -> bool {
    names.any(|name| name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}

/// The one of these keys that was probably meant. A key in the wrong section is found by its last part.
pub fn suggestion(name: &str, names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let bare = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let alike = strsim::normalized_damerau_levenshtein;
    let likeness = |key: &'static str| alike(name, key).max(alike(&bare(name), &bare(key)));
    // Of two that are equally like it by their last parts, that which is like it as a whole.
    let order = |key: &&'static str| (likeness(key), alike(name, key));
    let best = names.max_by(|left, right| {
        let (left, right) = (order(left), order(right));
        left.0.total_cmp(&right.0).then(left.1.total_cmp(&right.1))
    })?;
    (likeness(best) >= 0.7).then_some(best)
}

/// Beyond any use, and far from any overflow.
pub(super) const COUNT_MAX: i128 = 1 << 40;
pub(super) const SIZE_MAX: i128 = 1 << 46;
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// `read` with a remedy that also offers `word`.
pub(super) fn or_word<T>(read: Result<T, Problem>, word: &str) -> Result<T, Problem> {
    read.map_err(|problem| Problem { remedy: format!("{}, or \"{word}\"", problem.remedy), ..problem })
}

#[cfg(test)]
mod tests {
    use super::super::{EXAMPLE, Sources, load};
    use super::*;
    use crate::broker::Settings;
    use crate::runtime::IdlePolicy;

    #[test]
    fn the_example_is_the_defaults_and_has_every_key() {
        let sources = Sources { file: Some(("ringmq.example.toml".into(), EXAMPLE.into())), ..Sources::default() };
        let loaded = load(&sources).unwrap_or_else(|error| panic!("{error}"));
        let defaults = Config::default();
        for key in keys() {
            assert!(loaded.origins.contains_key(key.name()), "ringmq.example.toml leaves out {}", key.name());
            assert_eq!(key.show(&loaded.config), key.show(&defaults), "{} in ringmq.example.toml", key.name());
        }
        assert_eq!(format!("{:?}", loaded.config), format!("{defaults:?}"));
    }

    /// Lines of the example that begin with # and no space are keys that are not in force.
    #[test]
    fn the_example_has_every_key_of_a_listener() {
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        let loaded = load(&Sources { file: Some(("example".into(), text)), ..Sources::default() });
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        let sections = ["tls", "websocket", "access", "quotas"];
        let mut sought = listener_keys().iter().map(|key| key.name).filter(|name| !name.contains('.'));
        let is_said = |sought: &str| {
            let mut keys = loaded.listener_origins.iter().flat_map(|origins| origins.keys());
            keys.any(|key| *key == sought || key.split('.').next() == Some(sought))
        };
        assert_eq!(sought.find(|name| !is_said(name)), None);
        assert_eq!(sections.into_iter().find(|section| !is_said(section)), None);
        let shown = loaded.config.to_toml();
        let again = Config::from_toml(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(format!("{:?}", loaded.config), format!("{again:?}"), "{shown}");
    }

    #[test]
    fn what_is_shown_is_read_again() {
        let text = r#"
            listen = ["tcp://127.0.0.1:1", "tcp://[::1]:2"]
            [runtime]
            shards = 2
            cpus = [3, 5]
            idle = { spin = 50 }
            connections_max = 1000
            [limits]
            keep_alive_max = "1h"
            session_expiry_max = "7d"
            message_expiry_max = "90s"
            queue_policy = "drop-oldest"
            packet_size_max = "256KiB"
            [storage]
            persistence = false
            dir = "C:\\data \"1\""
            durability = "interval = 250ms"
            size_max = "1GiB"
            [mqtt]
            maximum_qos = 1
            shared_strategy = "round-robin"
            response_information = "answers/"
            [log]
            format = "json"
            [log.modules]
            "ringmq::net" = "trace"
        "#;
        let config = Config::from_toml(text).unwrap_or_else(|error| panic!("{error}"));
        let shown = config.to_toml();
        let again = Config::from_toml(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
        assert_eq!(config.runtime.idle, IdlePolicy::Spin(Duration::from_micros(50)));
        assert!(shown.contains("modules = { \"ringmq::net\" = \"trace\" }"), "{shown}");
    }

    #[test]
    fn every_setting_of_the_core_has_a_key() {
        let debug = format!("{:#?}", Settings::default());
        let fields = debug.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':')).map(|(name, _)| name);
        for field in fields {
            let stem = field.trim_end_matches("_ms").trim_end_matches("_s");
            let known = keys().any(|key| key.name().ends_with(&format!(".{stem}")));
            // The seed is drawn at every start: a seed that is known lets strangers choose where they hash to.
            // And whether acknowledgements wait is one of the values of storage.durability.
            assert!(known || ["hash_seed", "acknowledge_unsynced"].contains(&field), "{field} has no key");
        }
    }

    #[test]
    fn a_misspelt_key_is_recognized() {
        let meant = |name| suggestion(name, keys().map(|key| key.name()));
        assert_eq!(meant("limits.packet_size_maximum"), Some("limits.packet_size_max"));
        assert_eq!(meant("packet_size_max"), Some("limits.packet_size_max"));
        assert_eq!(meant("limits.shards"), Some("runtime.shards"));
        assert_eq!(meant("listne"), Some("listen"));
        assert_eq!(meant("persistence_location"), None);
    }
}
