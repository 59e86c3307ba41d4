//! Configurations of mosquitto: what each directive becomes here, and a note for each that has no equivalent.
//!
//! The names, scopes and defaults are those of mosquitto.conf(5), versions 2.0 and 2.1. Where a directive that protects something has no
//! equivalent, its listener is left out rather than opened wider than it was.

mod directives;
mod finish;
mod lines;
mod reading;
mod render;
mod special;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;
use std::path::Path;

use super::error::Origin;
use super::written::Written;

/// What a mosquitto.conf says.
#[derive(Clone, Debug)]
pub struct Import {
    /// To be loaded with [`Sources`](super::Sources); with what was not understood.
    pub written: Written,
    /// What has no equivalent, in the order of the lines but for what only the whole file tells.
    pub notes: Vec<Note>,
}

/// A directive without an equivalent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub origin: Origin,
    pub directive: String,
    pub reason: String,
}

/// What must be known of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Where there is none, an address of IPv6 cannot be listened on.
    pub has_ipv6: bool,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self { has_ipv6: std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|addresses| !addresses.is_empty()) }
    }
}

/// Understands a mosquitto.conf of this path and text; files that it includes are read.
pub fn read(path: &Path, text: &str, machine: Machine) -> Import {
    let mut mistakes = Vec::new();
    let lines = lines::read(path, text, &mut mistakes);
    let mut reading = reading::Reading::new(machine);
    reading.mistakes = mistakes;
    for line in &lines {
        reading.take(line);
    }
    finish::finish(reading)
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.origin.place(), self.directive, self.reason)
    }
}
