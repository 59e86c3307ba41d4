//! Writes what was understood as a file of RingMQ's own.

use std::fmt::Write;
use std::path::Path;

use super::Import;
use crate::config::keys::{self, Key};
use crate::config::written::Assignment;
use crate::config::{Config, Origin};

impl Import {
    /// The file, with what differs from the defaults, and above each key the line that it came from.
    pub fn to_toml(&self, path: &Path) -> String {
        let mut out = format!("# Converted from {}; docs/mosquitto.md tells what becomes of what.\n", path.display());
        let tables = &self.written.listeners;
        // Where a URL says all, the short form is enough.
        let is_short = tables.iter().all(|table| table.assignments.len() == 1);
        if is_short && !tables.is_empty() {
            for table in tables {
                write_origin(&mut out, &table.origin);
            }
            let urls = tables.iter().flat_map(|table| &table.assignments).flat_map(|url| url.value.list());
            let urls: Vec<_> = urls.map(|url| url.to_toml()).collect();
            line(&mut out, &format!("listen = [{}]", urls.join(", ")));
        }
        let differing: Vec<_> = self.written.server.iter().filter(|assignment| differs(assignment)).collect();
        write_keys(&mut out, "", keys::keys().map(|key| key.name()), &differing);
        for table in tables.iter().filter(|_| !is_short) {
            line(&mut out, "\n[[listeners]]");
            let assignments: Vec<_> = table.assignments.iter().collect();
            let names = keys::listener_keys().iter().map(|key: &Key<_>| key.name);
            write_keys(&mut out, "listeners.", names, &assignments);
        }
        out
    }
}

/// Whether it changes anything. What cannot be set is written, too: reading the file tells what is wrong with it.
fn differs(assignment: &Assignment) -> bool {
    let Some(key) = keys::find(assignment.key) else { return true };
    let mut config = Config::default();
    let before = key.show(&config);
    key.set(&mut config, &assignment.value).is_err() || key.show(&config) != before
}

/// Assignments in the order of the names, by section.
fn write_keys(out: &mut String, prefix: &str, names: impl Iterator<Item = &'static str>, assignments: &[&Assignment]) {
    let mut section = "";
    for name in names {
        let Some(assignment) = assignments.iter().find(|assignment| assignment.key == name) else { continue };
        let (own_section, bare) = name.rsplit_once('.').unwrap_or(("", name));
        if own_section != section {
            section = own_section;
            line(out, &format!("\n[{prefix}{section}]"));
        }
        write_origin(out, &assignment.origin);
        line(out, &format!("{bare} = {}", assignment.value.to_toml()));
    }
}

fn write_origin(out: &mut String, origin: &Origin) {
    match origin {
        Origin::File { path, line: number, text } => line(out, &format!("# {}:{number}: {text}", path.display())),
        _ => line(out, "# mosquitto's default"),
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
