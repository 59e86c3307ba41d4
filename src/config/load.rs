//! Puts the sources of a configuration on top of each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use super::error::{ConfigError, Mistake, Origin};
use super::value::{Problem, Value};
use super::{Config, keys, rules, storage};

/// Where values come from; a later field goes before an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A file's path (for messages) and its text.
    pub file: Option<(PathBuf, String)>,
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
    pub origins: HashMap<&'static str, Origin>,
    /// Variables that nobody reads, but that look like one that somebody would: worth a warning only, because
    /// container platforms inject variables of their own under the name of a service.
    pub doubtful_variables: Vec<(String, String)>,
}

/// Reads all sources and collects all mistakes, so that nobody has to fix them one run at a time.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut loading = Loading {
        loaded: Loaded { config: Config::default(), origins: HashMap::new(), doubtful_variables: Vec::new() },
        mistakes: Vec::new(),
    };
    storage::take_environment(&mut loading.loaded.config, &sources.environment);
    if let Some((path, text)) = &sources.file {
        loading.file(path, text);
    }
    for (variable, text) in &sources.environment {
        loading.variable(variable, text);
    }
    for (flag, key, text) in &sources.flags {
        loading.set(key, Origin::Flag { flag }, &Value::Untyped(text.clone()));
    }
    loading.finish()
}

struct Loading {
    loaded: Loaded,
    mistakes: Vec<Mistake>,
}

impl Loading {
    fn file(&mut self, path: &Path, text: &str) {
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let origin = origin_in_file(path, text, error.span().map_or(0, |span| span.start));
                let problem = Problem::new(error.message().trim(), "see ringmq.example.toml for how a file looks");
                self.mistake(String::new(), origin, problem);
                return;
            }
        };
        self.table("", table.get_ref(), path, text);
    }

    fn table(&mut self, section: &str, table: &DeTable<'_>, path: &Path, text: &str) {
        for (name, value) in table {
            let key = match section {
                "" => name.get_ref().to_string(),
                _ => format!("{section}.{}", name.get_ref()),
            };
            let origin = origin_in_file(path, text, name.span().start);
            if let Some(known) = keys::find(&key) {
                match Value::from_toml(value.get_ref()) {
                    Ok(value) => self.set(known.name, origin, &value),
                    Err(problem) => self.mistake(key, origin, problem),
                }
            } else if keys::is_section(&key) {
                match value.get_ref().as_table() {
                    Some(table) => self.table(&key, table, path, text),
                    None => {
                        let remedy = format!("write [{key}] on a line of its own, and its keys below");
                        self.mistake(key.clone(), origin, Problem::new("it is a section, not a key", remedy));
                    }
                }
            } else {
                let problem = unknown(&key, value);
                self.mistake(key, origin, problem);
            }
        }
    }

    fn variable(&mut self, variable: &str, text: &str) {
        let Some(rest) = variable.strip_prefix("RINGMQ_") else { return };
        if rest == "CONFIG" {
            return;
        }
        match keys::keys().iter().find(|key| key.variable() == variable) {
            Some(key) => {
                let origin = Origin::Environment { variable: variable.to_owned() };
                self.set(key.name, origin, &Value::Untyped(text.to_owned()));
            }
            None => {
                let likeness = |key: &keys::Key| strsim::normalized_damerau_levenshtein(&key.variable(), variable);
                let best = keys::keys().iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
                if let Some(key) = best.filter(|key| likeness(key) >= 0.8) {
                    self.loaded.doubtful_variables.push((variable.to_owned(), key.variable()));
                }
            }
        }
    }

    fn set(&mut self, name: &str, origin: Origin, value: &Value) {
        let Some(key) = keys::find(name) else { return };
        match (key.set)(&mut self.loaded.config, value) {
            Ok(()) => {
                self.loaded.origins.insert(key.name, origin);
            }
            Err(problem) => self.mistake(key.name.to_owned(), origin, problem),
        }
    }

    fn mistake(&mut self, key: String, origin: Origin, Problem { problem, remedy }: Problem) {
        self.mistakes.push(Mistake { origin, key, problem, remedy });
    }

    fn finish(mut self) -> Result<Loaded, ConfigError> {
        if self.mistakes.is_empty() {
            for (pair, problem) in rules::check_together(&self.loaded.config) {
                // The defaults agree with each other, so at least one of the two was set.
                let set = pair.into_iter().find_map(|key| Some((key, self.loaded.origins.get(key)?.clone())));
                if let Some((key, origin)) = set {
                    self.mistake(key.to_owned(), origin, problem);
                }
            }
        }
        if self.mistakes.is_empty() { Ok(self.loaded) } else { Err(ConfigError { mistakes: self.mistakes }) }
    }
}

fn unknown(key: &str, value: &Spanned<toml::de::DeValue<'_>>) -> Problem {
    let what = if value.get_ref().is_table() { "unknown section" } else { "unknown key" };
    let remedy = match keys::suggestion(key) {
        Some(meant) => format!("did you mean {}?", in_section(meant)),
        None => "see ringmq.example.toml for all keys".to_owned(),
    };
    Problem::new(what, remedy)
}

fn in_section(key: &str) -> String {
    match key.split_once('.') {
        Some((section, name)) => format!("{name} in section [{section}]"),
        None => format!("{key}, before the first section"),
    }
}

fn origin_in_file(path: &Path, text: &str, position: usize) -> Origin {
    let before = text.get(..position).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let text = text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned();
    Origin::File { path: path.to_owned(), line, text }
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
            mistakes("listen = \"tls://127.0.0.1\"")[0].lines().next(),
            Some("test.toml:1: listen: tls:// is not a transport that this version has")
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
                ("PATH".into(), "/bin".into()),
            ],
            flags: vec![("--shards", "runtime.shards", "3".into())],
        };
        let loaded = load(&sources).expect("valid");
        let show = |name| (keys::find(name).expect("a key").show)(&loaded.config);
        assert_eq!(show("runtime.shards"), "3");
        assert_eq!(show("limits.in_flight_max"), "8");
        assert_eq!(show("limits.sessions_max"), "9");
        assert_eq!(loaded.config.runtime.listeners.len(), 2);
        let doubtful = [("RINGMQ_RUNTIME_SHARD".to_owned(), "RINGMQ_RUNTIME_SHARDS".to_owned())];
        assert_eq!(loaded.doubtful_variables, doubtful);

        sources.environment.push(("RINGMQ_LOG_LEVEL".into(), "loud".into()));
        let error = load(&sources).expect_err("a bad level").to_string();
        assert!(error.starts_with("environment variable RINGMQ_LOG_LEVEL: log.level: \"loud\""), "{error}");
    }
}
