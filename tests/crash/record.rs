//! What the clients did and saw: each message with its fate, the history to tell it from, and the faults.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::{Duration, Instant};

/// A place in the history: later is larger.
pub type Tick = usize;
pub type MessageId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Broker,
    Publisher(usize),
    Subscriber(usize),
    Reader,
}

/// A message that a publisher has sent at least once.
pub struct Message {
    pub publisher: usize,
    pub topic: String,
    /// Counts the messages of this publisher to this topic, of all QoS.
    pub number: u32,
    pub qos: u8,
    pub retain: bool,
    /// Bytes of its payload. None: it removes what is retained, and nobody can tell it from another such message.
    pub size: usize,
    pub first_sent: Tick,
    /// Sent again after a connection was lost.
    pub is_resent: bool,
    /// The server took it over: PUBACK or PUBREC with success.
    pub acknowledged: Option<Tick>,
    /// PUBACK or PUBREC with a reason code of failure.
    pub is_refused: bool,
}

struct Event {
    at: Duration,
    who: Who,
    what: &'static str,
    number: u32,
    about: About,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Message(MessageId),
    /// A packet of an exchange that is known to one side only.
    Packet,
    /// The server, a connection, a subscription.
    Change,
}

/// A broken promise.
pub struct Fault {
    pub kind: &'static str,
    pub text: String,
    pub message: Option<MessageId>,
}

pub struct Record {
    pub messages: Vec<Message>,
    pub faults: Vec<Fault>,
    history: Vec<Event>,
    started: Instant,
}

/// Faults that are told in full.
const FAULTS_TOLD_MAX: usize = 20;
/// Messages whose history is told.
const HISTORIES_TOLD_MAX: usize = 3;

impl Record {
    pub fn new() -> Self {
        Self { messages: Vec::new(), faults: Vec::new(), history: Vec::new(), started: Instant::now() }
    }

    /// Now, as a place in the history.
    pub fn tick(&self) -> Tick {
        self.history.len()
    }

    /// A packet, of a message if that is known.
    pub fn note(&mut self, who: Who, what: &'static str, number: impl Into<u32>, message: Option<MessageId>) -> Tick {
        self.push(who, what, number.into(), message.map_or(About::Packet, About::Message))
    }

    /// What concerns all messages of a client, or all clients.
    pub fn note_change(&mut self, who: Who, what: &'static str, number: impl Into<u32>) -> Tick {
        self.push(who, what, number.into(), About::Change)
    }

    fn push(&mut self, who: Who, what: &'static str, number: u32, about: About) -> Tick {
        self.history.push(Event { at: self.started.elapsed(), who, what, number, about });
        self.history.len()
    }

    pub fn fault(&mut self, kind: &'static str, message: Option<MessageId>, text: String) {
        self.faults.push(Fault { kind, text, message });
    }

    /// A payload that only this message has.
    pub fn payload(&self, id: MessageId) -> Vec<u8> {
        let size = self.messages[id].size;
        let mut payload = format!("{id:08} ").into_bytes();
        payload.extend((payload.len()..size).map(|index| (index * 7 + id) as u8));
        if size == 0 { Vec::new() } else { payload }
    }

    /// The message of a payload, if it is one of ours to the last byte.
    pub fn identify(&self, topic: &str, payload: &[u8]) -> Option<MessageId> {
        let id: MessageId = std::str::from_utf8(payload.get(..8)?).ok()?.parse().ok()?;
        let message = self.messages.get(id)?;
        (message.topic == topic && self.payload(id) == payload).then_some(id)
    }

    /// Faults by kind.
    pub fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for fault in &self.faults {
            *kinds.entry(fault.kind).or_default() += 1;
        }
        kinds
    }

    /// The faults, and the histories of the messages concerned.
    pub fn tell(&self) -> String {
        let mut text = format!("{} faults: {:?}\n", self.faults.len(), self.kinds());
        for fault in self.faults.iter().take(FAULTS_TOLD_MAX) {
            writeln!(text, "  {}: {}", fault.kind, fault.text).expect("a String takes it");
        }
        let mut concerned: Vec<MessageId> = self.faults.iter().filter_map(|fault| fault.message).collect();
        concerned.dedup();
        for id in concerned.into_iter().take(HISTORIES_TOLD_MAX) {
            self.tell_history(&mut text, id).expect("a String takes it");
        }
        text
    }

    /// What happened to one message, with the ends of the server and of the connections that it went over.
    fn tell_history(&self, text: &mut String, id: MessageId) -> fmt::Result {
        let Message { publisher, topic, number, qos, retain, size, .. } = &self.messages[id];
        let retained = if *retain { ", retained" } else { "" };
        writeln!(
            text,
            "message {id}: number {number} of publisher {publisher} to {topic}, QoS {qos}{retained}, {size} B"
        )?;
        let mut concerned: Vec<Who> =
            self.history.iter().filter(|event| event.about == About::Message(id)).map(|event| event.who).collect();
        concerned.sort();
        concerned.dedup();
        let begins = self.messages[id].first_sent.saturating_sub(1);
        for (tick, event) in self.history.iter().enumerate() {
            let is_of_client = tick >= begins && concerned.contains(&event.who);
            let is_change = event.about == About::Change && (is_of_client || event.who == Who::Broker);
            if is_change || event.about == About::Message(id) {
                writeln!(
                    text,
                    "  {:>10.3} ms  {:?} {} {}",
                    event.at.as_secs_f64() * 1e3,
                    event.who,
                    event.what,
                    event.number
                )?;
            }
        }
        Ok(())
    }
}
