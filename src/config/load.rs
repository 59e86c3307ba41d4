//! Puts the sources of a configuration on top of each other.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::{ConfigError, Mistake, Origin};
use super::listen::Endpoint;
use super::listener::ListenerSettings;
use super::value::{Problem, Value};
use super::written::{ListenerTable, Written};
use super::{Config, keys, listener_rules, rules, storage, toml_file};

/// Where values come from; a later field goes before an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// What a file of another form says.
    pub written: Option<Written>,
    /// A file's path (for messages) and its text.
    pub file: Option<(PathBuf, String)>,
    /// Where relative paths in the file start; `None` leaves them to the working directory.
    pub directory: Option<PathBuf>,
    /// Environment variables; those that do not start with `RINGMQ_` are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags of the command line: the flag as the user writes it, the key that it sets, its text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// A valid configuration, and what its reader should know about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// Which keys were set, and where last.
    pub origins: Origins,
    /// The same for each listener's own keys.
    pub listener_origins: Vec<Origins>,
    /// Variables that nobody reads, but that look like one that somebody would: worth a warning only, because
    /// container platforms inject variables of their own under the name of a service.
    pub doubtful_variables: Vec<(String, String)>,
}

/// Where keys were set.
pub type Origins = HashMap<&'static str, Origin>;

impl Loaded {
    /// Where a key of a listener was set, and how it is called there: in its own table, else for all listeners; else the place
    /// of what is beside it; else where the listener begins.
    pub fn place(&self, listener: usize, key: &str) -> (String, Origin) {
        let none = Origins::new();
        let own = self.listener_origins.get(listener).unwrap_or(&none);
        let is_set = |origin: &&Origin| **origin != Origin::Default;
        let section = |key: &str| key.rsplit_once('.').map(|(section, _)| section.to_owned());
        let beside = |origins: &Origins| {
            let is_beside = |other: &str| section(key).is_some() && section(other) == section(key);
            let keys = origins.iter().filter(|(other, origin)| is_beside(other) && is_set(origin));
            keys.min_by_key(|(other, _)| **other).map(|(_, origin)| origin.clone())
        };
        let in_table = own.get(key).filter(is_set).cloned().or_else(|| beside(own));
        let url = own.get("url");
        if let Some(origin) = in_table {
            let is_short = key == "url" && self.origins.get("listen") == Some(&origin);
            return (if is_short { "listen".to_owned() } else { format!("listeners.{key}") }, origin);
        }
        let in_defaults = self.origins.get(key).filter(is_set).cloned().or_else(|| beside(&self.origins));
        (key.to_owned(), in_defaults.or_else(|| url.cloned()).unwrap_or(Origin::Default))
    }
}

/// Reads all sources and collects all mistakes, so that nobody has to fix them one run at a time.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut loading = Loading {
        loaded: Loaded {
            config: Config::default(),
            origins: HashMap::new(),
            listener_origins: Vec::new(),
            doubtful_variables: Vec::new(),
        },
        mistakes: Vec::new(),
    };
    storage::take_environment(&mut loading.loaded.config, &sources.environment);
    let mut tables = Vec::new();
    if let Some(written) = &sources.written {
        tables.extend(loading.written(written.clone()));
    }
    if let Some((path, text)) = &sources.file {
        tables.extend(loading.written(toml_file::read(path, text, sources.directory.as_deref())));
    }
    for (variable, text) in &sources.environment {
        loading.variable(variable, text);
    }
    for (flag, key, text) in &sources.flags {
        loading.set(key, Origin::Flag { flag }, &Value::Untyped(text.clone()));
    }
    loading.finish(tables)
}

struct Loading {
    loaded: Loaded,
    mistakes: Vec<Mistake>,
}

impl Loading {
    /// Takes what a file says but for its listeners: these begin as the defaults, which are not known before all sources are read.
    fn written(&mut self, written: Written) -> Vec<ListenerTable> {
        self.mistakes.extend(written.mistakes);
        for assignment in written.server {
            self.set(assignment.key, assignment.origin, &assignment.value);
        }
        written.listeners
    }

    fn variable(&mut self, variable: &str, text: &str) {
        let Some(rest) = variable.strip_prefix("RINGMQ_") else { return };
        if rest == "CONFIG" {
            return;
        }
        match keys::keys().find(|key| key.variable() == variable) {
            Some(key) => {
                let origin = Origin::Environment { variable: variable.to_owned() };
                self.set(key.name(), origin, &Value::Untyped(text.to_owned()));
            }
            None => {
                let likeness = |known: &str| strsim::normalized_damerau_levenshtein(known, variable);
                let variables = keys::keys().map(|key| key.variable());
                let best = variables.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
                let is_of_section = |section: &str| {
                    let section = section.replace('.', "_").to_ascii_uppercase();
                    rest.strip_prefix(&section).is_some_and(|rest| rest.starts_with('_'))
                };
                let is_meant = keys::sections().any(is_of_section);
                if let Some(known) = best.filter(|known| is_meant || likeness(known) >= 0.8) {
                    self.loaded.doubtful_variables.push((variable.to_owned(), known));
                }
            }
        }
    }

    fn set(&mut self, name: &str, origin: Origin, value: &Value) {
        let Some(key) = keys::find(name) else { return };
        match key.set(&mut self.loaded.config, value) {
            Ok(()) => {
                self.loaded.origins.insert(key.name(), origin);
            }
            Err(problem) => self.mistake(key.name().to_owned(), origin, problem),
        }
    }

    fn mistake(&mut self, key: String, origin: Origin, problem: Problem) {
        self.mistakes.push(Mistake::new(key, origin, problem));
    }

    fn finish(mut self, tables: Vec<ListenerTable>) -> Result<Loaded, ConfigError> {
        let listeners = self.listeners(tables);
        if self.mistakes.is_empty() {
            self.check_together();
            self.check_listeners(&listeners);
        }
        if self.mistakes.is_empty() { Ok(self.loaded) } else { Err(ConfigError { mistakes: self.mistakes }) }
    }

    /// Makes the listeners: those of `listen`, then those with tables. A flag or a variable goes before all that a file says.
    fn listeners(&mut self, mut tables: Vec<ListenerTable>) -> Vec<ListenerSettings> {
        let listen = self.loaded.origins.get("listen").cloned();
        if matches!(listen, Some(Origin::Flag { .. } | Origin::Environment { .. })) {
            tables.clear();
        }
        let defaults = self.loaded.config.listener_defaults.clone();
        let mut listeners = Vec::new();
        if tables.is_empty() || listen.is_some() {
            for listener in &self.loaded.config.runtime.listeners {
                let origins: Origins = listen.iter().map(|origin| ("url", origin.clone())).collect();
                let settings = ListenerSettings { endpoints: vec![Endpoint::of(listener)], ..defaults.clone() };
                listeners.push((settings, origins));
            }
        }
        for table in tables {
            let settings = self.listener(table, &defaults);
            listeners.extend(settings);
        }
        let config = &mut self.loaded.config;
        config.runtime.listeners = listeners.iter().flat_map(|(settings, _)| settings.to_listeners()).collect();
        let (settings, origins) = listeners.into_iter().unzip();
        self.loaded.listener_origins = origins;
        settings
    }

    /// One listener for each URL of a table.
    fn listener(&mut self, table: ListenerTable, defaults: &ListenerSettings) -> Vec<(ListenerSettings, Origins)> {
        let mut settings = defaults.clone();
        let mut origins = Origins::new();
        for assignment in table.assignments {
            let Some(key) = keys::find_of_listener(assignment.key) else { continue };
            if let Err(problem) = (key.set)(&mut settings, &assignment.value) {
                self.mistake(format!("listeners.{}", key.name), assignment.origin.clone(), problem);
            }
            origins.insert(key.name, assignment.origin);
        }
        if !origins.contains_key("url") || (settings.endpoints.is_empty() && self.mistakes.is_empty()) {
            let remedy = "write for instance url = \"tls://0.0.0.0:8883\"";
            let problem = Problem::new("it does not say where to listen", remedy);
            self.mistake("listeners.url".to_owned(), table.origin, problem);
        }
        let endpoints = std::mem::take(&mut settings.endpoints);
        let of_one = |endpoint| (ListenerSettings { endpoints: vec![endpoint], ..settings.clone() }, origins.clone());
        endpoints.into_iter().map(of_one).collect()
    }

    fn check_together(&mut self) {
        for (pair, problem) in rules::check_together(&self.loaded.config) {
            // The defaults agree with each other, so at least one of the two was set.
            let set = pair.into_iter().find_map(|key| Some((key, self.loaded.origins.get(key)?.clone())));
            if let Some((key, origin)) = set {
                self.mistake(key.to_owned(), origin, problem);
            }
        }
    }

    fn check_listeners(&mut self, settings: &[ListenerSettings]) {
        let found =
            listener_rules::check(&self.loaded.config.runtime.listeners, settings, &self.loaded.listener_origins);
        for (listener, key, problem) in found {
            let (key, origin) = self.loaded.place(listener, key);
            // What a table does not say itself comes from the defaults, and is told once.
            let known = self.mistakes.iter().any(|known| known.origin == origin && known.problem == problem.problem);
            if !known {
                self.mistake(key, origin, problem);
            }
        }
        if self.loaded.config.runtime.listeners.is_empty()
            && let Some(origin) = self.loaded.origins.get("listen").cloned()
        {
            let remedy = "name at least one address, such as \"tcp://127.0.0.1:1883\"";
            self.mistake("listen".to_owned(), origin, Problem::new("it is empty", remedy));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let sources = Sources { file: Some(("test.toml".into(), text.to_owned())), ..Sources::default() };
        match load(&sources) {
            Ok(_) => Vec::new(),
            Err(error) => error.mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_mistake_tells_file_line_key_and_remedy() {
        assert_eq!(
            mistakes("[limits]\n\npacket_size_mx = 5\n"),
            [concat!(
                "test.toml:3: limits.packet_size_mx: unknown key\n",
                "  3 | packet_size_mx = 5\n",
                "  help: did you mean packet_size_max in section [limits]?"
            )]
        );
        assert_eq!(
            mistakes("listen = \"http://127.0.0.1\"")[0].lines().next(),
            Some("test.toml:1: listen: http:// is no transport")
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let text = "shards = 2\n[limit]\na = 1\n[runtime]\nshards = 0\nidle = \"walk\"\n[log]\nlevel = \"loud\"\n";
        let mistakes = mistakes(text).join("\n");
        for expected in [
            "test.toml:1: shards: unknown key",
            "did you mean shards in section [runtime]?",
            "test.toml:2: limit: unknown section",
            "test.toml:5: runtime.shards: 0 is out of bounds",
            "write an integer from 1 to 128, or \"auto\"",
            "test.toml:6: runtime.idle: \"walk\" is no way to idle",
            "test.toml:8: log.level: \"loud\" is not one of its values",
            "\"trace\"",
        ] {
            assert!(mistakes.contains(expected), "{expected}\nnot in\n{mistakes}");
        }
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        let told = mistakes("listen = [\n  \"tcp://127.0.0.1\"\n[log]\n");
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("test.toml:"), "{told:?}");
        let twice = mistakes("[log]\nlevel = \"info\"\nlevel = \"warn\"\n");
        assert!(twice[0].starts_with("test.toml:3: duplicate key"), "{twice:?}");
    }

    #[test]
    fn keys_that_contradict_each_other_are_refused() {
        let told = mistakes("[limits]\nshard_bytes_max = \"2MiB\"\n");
        assert!(told[0].starts_with("test.toml:2: limits.shard_bytes_max"), "{told:?}");
        let told = mistakes("[storage]\nsize_max = \"32MiB\"\n");
        assert!(told[0].starts_with("test.toml:2: storage.size_max: 4 segments of"), "{told:?}");
        let told = mistakes("[runtime]\nshards = 3\ncpus = [0, 1]\n");
        assert!(told[0].starts_with("test.toml:3: runtime.cpus: 2 CPUs"), "{told:?}");
    }

    #[test]
    fn flags_go_before_environment_before_file() {
        let mut sources = Sources {
            file: Some(("f".into(), "[runtime]\nshards = 1\n[limits]\nin_flight_max = 7\nsessions_max = 9".into())),
            environment: vec![
                ("RINGMQ_RUNTIME_SHARDS".into(), "2".into()),
                ("RINGMQ_LIMITS_IN_FLIGHT_MAX".into(), "8".into()),
                ("RINGMQ_LISTEN".into(), "tcp://127.0.0.1:1,tcp://127.0.0.1:2".into()),
                ("RINGMQ_PORT".into(), "tcp://10.0.0.1:1883".into()),
                ("RINGMQ_RUNTIME_SHARD".into(), "2".into()),
                ("RINGMQ_LIMITS_FOO".into(), "2".into()),
                ("PATH".into(), "/bin".into()),
            ],
            flags: vec![("--shards", "runtime.shards", "3".into())],
            ..Sources::default()
        };
        let loaded = load(&sources).expect("valid");
        let show = |name| keys::find(name).expect("a key").show(&loaded.config);
        assert_eq!(show("runtime.shards"), "3");
        assert_eq!(show("limits.in_flight_max"), "8");
        assert_eq!(show("limits.sessions_max"), "9");
        assert_eq!(loaded.config.runtime.listeners.len(), 2);
        let doubtful = [("RINGMQ_RUNTIME_SHARD".to_owned(), "RINGMQ_RUNTIME_SHARDS".to_owned())];
        assert_eq!(loaded.doubtful_variables[..1], doubtful);
        assert_eq!((&*loaded.doubtful_variables[1].0, loaded.doubtful_variables.len()), ("RINGMQ_LIMITS_FOO", 2));

        sources.environment.push(("RINGMQ_LOG_LEVEL".into(), "loud".into()));
        let error = load(&sources).expect_err("a bad level").to_string();
        assert!(error.starts_with("environment variable RINGMQ_LOG_LEVEL: log.level: \"loud\""), "{error}");
    }
}
