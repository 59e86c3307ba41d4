//! What is known while a mosquitto.conf is read: its scopes, and what was said in each.

use super::super::error::{Mistake, Origin};
use super::super::value::{Problem, Value};
use super::super::written::Assignment;
use super::directives::{self, Meaning, Scope};
use super::lines::Line;
use super::{Machine, Note};

pub struct Reading {
    pub machine: Machine,
    pub server: Vec<Assignment>,
    /// The security of all listeners.
    pub security: Vec<Assignment>,
    pub listeners: Vec<Listener>,
    /// What `port` and `bind_address` make, and what stands before any `listener`.
    pub default_listener: Option<usize>,
    /// Some address was named. Without any mosquitto can be reached from its machine only.
    pub is_open: bool,
    pub per_listener: bool,
    pub notes: Vec<Note>,
    pub mistakes: Vec<Mistake>,
    /// Why no listener can be kept.
    pub leaves_out: Option<&'static str>,
    pub bridge: Option<Bridge>,
    /// Where it was said that there shall be no log.
    pub is_silent: Option<Origin>,
    listener: Option<usize>,
    file: usize,
}

/// A listener as mosquitto knows it.
pub struct Listener {
    pub origin: Origin,
    /// The directive that made it, if that was none that names an address.
    pub implied_by: Option<String>,
    /// 0 with a path.
    pub port: u16,
    /// An address, a name, or the path of a unix socket.
    pub host: Option<String>,
    pub domain: Option<Domain>,
    pub has_websocket: bool,
    pub requires_certificate: Option<Origin>,
    /// Files of authorities, and of revocations.
    pub authorities: Vec<(String, Origin)>,
    pub revocation_lists: Vec<(String, Origin)>,
    pub identity: Option<(&'static str, Origin)>,
    pub own: Vec<Assignment>,
    /// What would hold for the whole server.
    pub everywhere: Vec<(String, Assignment)>,
    /// Why it cannot be kept.
    pub leaves_out: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    Ipv4,
    Ipv6,
}

/// A connection to another broker: none of it has an equivalent, so one note is for all of its lines.
pub struct Bridge {
    pub line: Line,
    pub lines: usize,
}

impl Reading {
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            server: Vec::new(),
            security: Vec::new(),
            listeners: Vec::new(),
            default_listener: None,
            is_open: false,
            per_listener: false,
            notes: Vec::new(),
            mistakes: Vec::new(),
            leaves_out: None,
            bridge: None,
            is_silent: None,
            listener: None,
            file: 0,
        }
    }

    pub fn take(&mut self, line: &Line) {
        // A scope ends with the file in which it began.
        if line.file != self.file {
            self.file = line.file;
            self.listener = None;
            self.end_bridge();
        }
        let Some(meaning) = directives::find(&line.name) else {
            let names = directives::DIRECTIVES.iter().map(|(name, _)| *name);
            let remedy = match super::super::keys::suggestion(&line.name, names) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "mosquitto.conf(5) has all directives".to_owned(),
            };
            return self.mistake(line, Problem::new("unknown directive", remedy));
        };
        if let Err(problem) = self.act(line, meaning) {
            self.mistake(line, problem);
        }
    }

    fn act(&mut self, line: &Line, meaning: Meaning) -> Result<(), Problem> {
        match meaning {
            Meaning::Server(key, read) => {
                if let Some(value) = read(line)? {
                    set(&mut self.server, key, value, &line.origin);
                }
            }
            Meaning::Listener(key, read) => {
                if let Some(value) = read(line)? {
                    set(&mut self.listener(line).own, key, value, &line.origin);
                }
            }
            Meaning::Security(key, read) => {
                if let Some(value) = read(line)? {
                    set(self.security(line), key, value, &line.origin);
                }
            }
            Meaning::Everywhere(key, read) => {
                if let Some(value) = read(line)? {
                    self.everywhere(line, key, value);
                }
            }
            Meaning::Special(act) => act(self, line)?,
            Meaning::Fixed(value, reason) => {
                if !is_same_word(super::values::first(line), value) {
                    self.note(line, reason);
                }
            }
            Meaning::Missing(reason) => self.note(line, reason),
            Meaning::LeavesOut(scope, reason) => self.leave_out(line, scope, reason),
            Meaning::Bridge => match &mut self.bridge {
                Some(bridge) => bridge.lines += 1,
                None => {
                    let remedy = "put it below the connection that it is for, or take it out";
                    return Err(Problem::new("it is a part of a bridge, and no connection is before it", remedy));
                }
            },
        }
        Ok(())
    }

    /// The listener that a line is for.
    pub fn listener(&mut self, line: &Line) -> &mut Listener {
        let index = match self.listener {
            Some(index) => index,
            None => self.default_listener(line),
        };
        &mut self.listeners[index]
    }

    pub fn add_listener(&mut self, listener: Listener) -> usize {
        self.listeners.push(listener);
        let index = self.listeners.len() - 1;
        self.listener = Some(index);
        self.end_bridge();
        index
    }

    fn default_listener(&mut self, line: &Line) -> usize {
        let index = match self.default_listener {
            Some(index) => index,
            None => {
                let implied_by = Some(line.name.clone());
                self.listeners.push(Listener { implied_by, ..Listener::new(line.origin.clone(), 1883, None) });
                self.listeners.len() - 1
            }
        };
        self.default_listener = Some(index);
        self.listener = Some(index);
        index
    }

    /// The security that a line is for.
    pub fn security(&mut self, line: &Line) -> &mut Vec<Assignment> {
        if self.per_listener { &mut self.listener(line).own } else { &mut self.security }
    }

    fn everywhere(&mut self, line: &Line, key: &'static str, value: Value) {
        let assignment = Assignment { key, value, origin: line.origin.clone() };
        let is_security = line.name == "allow_zero_length_clientid";
        if is_security && !self.per_listener {
            set(&mut self.server, key, assignment.value, &line.origin);
        } else {
            self.listener(line).everywhere.push((line.name.clone(), assignment));
        }
    }

    fn leave_out(&mut self, line: &Line, scope: Scope, reason: &'static str) {
        let is_of_listener = scope == Scope::Listener || (scope == Scope::Security && self.per_listener);
        if is_of_listener {
            self.listener(line).leaves_out = Some(reason);
            self.note(line, format!("{reason}. Its listener is left out, because without it more would be open"));
        } else {
            self.leaves_out = Some(reason);
            self.note(line, format!("{reason}. All listeners are left out, because without it more would be open"));
        }
    }

    /// Ends the bridge that the lines before belong to.
    pub fn end_bridge(&mut self) {
        if let Some(Bridge { line, lines }) = self.bridge.take() {
            let reason = format!("RingMQ has no bridges; its {lines} lines below have no equivalent, too");
            self.note(&line, reason);
        }
    }

    pub fn note(&mut self, line: &Line, reason: impl Into<String>) {
        let (origin, directive) = (line.origin.clone(), line.name.clone());
        self.notes.push(Note { origin, directive, reason: reason.into() });
    }

    pub fn mistake(&mut self, line: &Line, problem: Problem) {
        self.mistakes.push(Mistake::new(line.name.clone(), line.origin.clone(), problem));
    }
}

impl Listener {
    pub fn new(origin: Origin, port: u16, host: Option<String>) -> Self {
        Self {
            origin,
            implied_by: None,
            port,
            host,
            domain: None,
            has_websocket: false,
            requires_certificate: None,
            authorities: Vec::new(),
            revocation_lists: Vec::new(),
            identity: None,
            own: Vec::new(),
            everywhere: Vec::new(),
            leaves_out: None,
        }
    }
}

/// A later value of a key goes before an earlier one.
pub fn set(assignments: &mut Vec<Assignment>, key: &'static str, value: Value, origin: &Origin) {
    assignments.retain(|known| known.key != key);
    assignments.push(Assignment { key, value, origin: origin.clone() });
}

/// mosquitto knows two words each for true and false.
fn is_same_word(word: &str, expected: &str) -> bool {
    word == expected || matches!((word, expected), ("1", "true") | ("0", "false"))
}
