//! Reads the file: TOML to keys with their values and lines.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Mistake, Origin};
use super::keys;
use super::value::{Problem, Value};
use super::written::{Assignment, ListenerTable, Written};

/// The name of the tables that say more of a listener than a URL can.
const LISTENERS: &str = "listeners";

/// Relative paths start at `directory`, if there is one.
pub fn read(path: &Path, text: &str, directory: Option<&Path>) -> Written {
    let mut reading = Reading { path, text, directory, written: Written::default() };
    match DeTable::parse(text) {
        Ok(table) => reading.server("", table.get_ref()),
        Err(error) => {
            let origin = reading.origin(error.span().map_or(0, |span| span.start));
            let problem = Problem::new(error.message().trim(), "see ringmq.example.toml for how a file looks");
            reading.mistake(String::new(), origin, problem);
        }
    }
    reading.written
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    directory: Option<&'a Path>,
    written: Written,
}

impl Reading<'_> {
    fn server(&mut self, section: &str, table: &DeTable<'_>) {
        self.check_certificates(section, table);
        for (name, value) in table {
            let key = full_name(section, name.get_ref());
            let origin = self.origin(name.span().start);
            if let Some(known) = keys::find(&key) {
                if let Some(value) = self.value(&key, &origin, value, known.is_path()) {
                    self.written.server.push(Assignment { key: known.name(), value, origin });
                }
            } else if key == LISTENERS {
                self.listeners(value, origin);
            } else if keys::is_section(&key, keys::keys().map(|key| key.name())) {
                if let Some(table) = self.section(&key, &origin, value) {
                    self.server(&key, table);
                }
            } else {
                let names = keys::keys().map(|key| key.name()).chain([LISTENERS]);
                let section = keys::suggestion(&key, keys::sections()).filter(|_| value.get_ref().is_table());
                let meant = section.map(|section| format!("[{section}]"));
                let problem = unknown(value, meant.or_else(|| keys::suggestion(&key, names).map(in_section)));
                self.mistake(key, origin, problem);
            }
        }
    }

    fn listeners(&mut self, value: &Spanned<DeValue<'_>>, origin: Origin) {
        let remedy = "write [[listeners]] on a line of its own, and the keys of one listener below";
        let problem = || Problem::new("it is a list of tables, not a key", remedy);
        let Some(array) = value.get_ref().as_array() else { return self.mistake(LISTENERS.into(), origin, problem()) };
        for item in array.iter() {
            let origin = self.origin(item.span().start);
            let Some(table) = item.get_ref().as_table() else {
                self.mistake(LISTENERS.into(), origin, problem());
                continue;
            };
            let mut assignments = Vec::new();
            self.listener("", table, &mut assignments);
            self.written.listeners.push(ListenerTable { origin, assignments });
        }
    }

    fn listener(&mut self, section: &str, table: &DeTable<'_>, into: &mut Vec<Assignment>) {
        self.check_certificates(section, table);
        for (name, value) in table {
            let key = full_name(section, name.get_ref());
            let shown = full_name(LISTENERS, &key);
            let origin = self.origin(name.span().start);
            let names = || keys::listener_keys().iter().map(|key| key.name);
            if let Some(known) = keys::find_of_listener(&key) {
                if let Some(value) = self.value(&shown, &origin, value, known.is_path) {
                    into.push(Assignment { key: known.name, value, origin });
                }
            } else if keys::is_section(&key, names()) {
                if let Some(table) = self.section(&shown, &origin, value) {
                    self.listener(&key, table, into);
                }
            } else {
                let problem = unknown(value, keys::suggestion(&key, names()).map(in_listener));
                self.mistake(shown, origin, problem);
            }
        }
    }

    fn value(&mut self, key: &str, origin: &Origin, value: &Spanned<DeValue<'_>>, is_path: bool) -> Option<Value> {
        match Value::from_toml(value.get_ref()) {
            Ok(value) => Some(match self.directory {
                Some(directory) if is_path => value.rebase(directory),
                _ => value,
            }),
            Err(problem) => {
                self.mistake(key.to_owned(), origin.clone(), problem);
                None
            }
        }
    }

    fn section<'v, 't>(
        &mut self,
        key: &str,
        origin: &Origin,
        value: &'v Spanned<DeValue<'t>>,
    ) -> Option<&'v DeTable<'t>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let remedy = format!("write [{key}] on a line of its own, and its keys below");
            self.mistake(key.to_owned(), origin.clone(), Problem::new("it is a section, not a key", remedy));
        }
        table
    }

    /// Of the short and the long form of certificates one would silently go before the other.
    fn check_certificates(&mut self, section: &str, table: &DeTable<'_>) {
        let is_said = |name: &str| {
            let value = table.get(name).map(Spanned::get_ref);
            value
                .is_some_and(|value| value.as_str() != Some("") && value.as_array().is_none_or(|list| !list.is_empty()))
        };
        if section == "tls" && is_said("certificates") && (is_said("certificate") || is_said("key")) {
            let position = table.get_key_value("certificates").map_or(0, |(name, _)| name.span().start);
            let remedy = "write one pair as certificate and key, or all pairs as certificates";
            let problem = Problem::new("there are certificate and key already", remedy);
            self.mistake("tls.certificates".to_owned(), self.origin(position), problem);
        }
    }

    fn origin(&self, position: usize) -> Origin {
        let before = self.text.get(..position).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let text = self.text.lines().nth(line - 1).unwrap_or_default().trim_end().to_owned();
        Origin::File { path: self.path.to_owned(), line, text }
    }

    fn mistake(&mut self, key: String, origin: Origin, problem: Problem) {
        self.written.mistakes.push(Mistake::new(key, origin, problem));
    }
}

fn full_name(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

fn unknown(value: &Spanned<DeValue<'_>>, meant: Option<String>) -> Problem {
    let what = if value.get_ref().is_table() { "unknown section" } else { "unknown key" };
    let remedy = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => "see ringmq.example.toml for all keys".to_owned(),
    };
    Problem::new(what, remedy)
}

fn in_section(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((section, name)) => format!("{name} in section [{section}]"),
        None if key == LISTENERS => "[[listeners]]".to_owned(),
        None => format!("{key}, before the first section"),
    }
}

fn in_listener(key: &str) -> String {
    match key.rsplit_once('.') {
        Some((section, name)) => format!("{name} in section [listeners.{section}]"),
        None => format!("{key}, before the listener's first section"),
    }
}
