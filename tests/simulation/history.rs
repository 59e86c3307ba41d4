//! What happened in a run, in one global order: all that the oracle may know.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::wire::{Properties, Version};

/// Position in the history: a smaller one happened before.
pub type Order = usize;

/// Never happened, or not yet.
pub const NEVER: Order = Order::MAX;

/// Milliseconds of virtual time.
pub type Time = u64;

/// Names a message; every payload begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub publisher: u32,
    pub sequence: u32,
}

/// Wills have publishers of their own, so that their sequence numbers do not mix with those of their client's PUBLISHes.
pub const WILL_PUBLISHER: u32 = 1000;

impl Key {
    /// Reads the key at the beginning of a payload.
    pub fn of(payload: &[u8]) -> Option<Self> {
        let mut parts = payload.splitn(3, |byte| *byte == b'/');
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse().ok();
        Some(Self { publisher: number()?, sequence: number()? })
    }

    /// The client that published it.
    pub fn client(self) -> usize {
        (self.publisher % WILL_PUBLISHER) as usize
    }

    pub fn is_will(self) -> bool {
        self.publisher >= WILL_PUBLISHER
    }
}

/// A message as its publisher meant it.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    /// What a server forwards unaltered.
    pub properties: Properties,
    pub expiry_s: Option<u32>,
    pub payload: Vec<u8>,
}

/// What a CONNECT asked for.
#[derive(Clone, Debug)]
pub struct Connecting {
    pub version: Version,
    pub clean_start: bool,
    /// `u32::MAX` never expires; 3.x has 0 with Clean Session and never otherwise.
    pub session_expiry_s: u32,
    pub keep_alive_s: u16,
    pub packet_size_max: usize,
    pub will: Option<(Key, u32)>,
}

/// A PUBLISH as a client got it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `None` for an empty payload.
    pub key: Option<Key>,
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: u16,
    pub properties: Properties,
    pub payload: Vec<u8>,
    /// The client already holds it (QoS 2, same packet identifier, not released): not a new delivery.
    pub known: bool,
}

#[derive(Clone, Debug)]
pub enum What {
    Connect(Connecting),
    /// CONNACK with success; `None` where the version cannot say.
    Connected {
        session_present: Option<bool>,
    },
    Publish {
        key: Key,
        packet_id: u16,
        dup: bool,
    },
    /// The publish with an empty payload, that forgets a retained message.
    Clear {
        topic: String,
    },
    /// The PUBLISH was handed whole to a shard, over a connection that was open there.
    Arrived {
        key: Key,
    },
    /// PUBREC with success.
    Received {
        key: Key,
    },
    /// PUBACK or PUBCOMP with success.
    Accepted {
        key: Key,
    },
    /// PUBACK or PUBREC that says that the broker cannot keep it.
    Refused {
        key: Key,
    },
    Subscribe {
        packet_id: u16,
        id: Option<u32>,
        filters: Vec<(String, u8)>,
    },
    SubAck {
        packet_id: u16,
        codes: Vec<u8>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    UnsubAck {
        packet_id: u16,
    },
    Delivery(Delivery),
    Disconnect {
        code: u8,
        session_expiry_s: Option<u32>,
    },
    DisconnectArrived,
    ServerDisconnect,
    /// The client, or the network, broke the connection; the client hears nothing more of it.
    Reset,
    /// The client read the end of the stream.
    Closed,
    /// The connection ended at the broker, at `since` at the earliest.
    ServerEnded {
        since: Order,
        reason: String,
    },
    /// The broker reported that it dropped messages for this client.
    Dropped {
        reason: &'static str,
    },
    /// Everybody online had read and acknowledged everything, and nothing moved any more.
    Quiescent,
    /// The broker, or its machine, stopped without notice.
    Crashed,
    /// The broker was told to stop.
    Stopping,
    /// It has read its store and takes connections again, with so many shards.
    Restarted {
        shards: usize,
    },
    /// From here on the disk fails.
    FaultBegan {
        fault: Fault,
    },
    FaultEnded,
}

/// What a disk cannot do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Full,
    Write,
    Sync,
    Read,
    Delete,
}

/// One event; `client` and `connection` are 0 where there is none.
#[derive(Clone, Debug)]
pub struct Entry {
    pub time: Time,
    pub step: u64,
    pub client: usize,
    pub connection: u32,
    pub what: What,
}

/// The whole run.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub now: Time,
    pub step: u64,
    /// The broker may refuse what it would have to keep, since its disk failed a short time ago, or everything, since it stops.
    pub refusals: bool,
    /// Clients may not be let in.
    pub denials: bool,
    pub messages: BTreeMap<Key, Message>,
    pub entries: Vec<Entry>,
}

impl History {
    pub fn record(&mut self, client: usize, connection: u32, what: What) -> Order {
        self.entries.push(Entry { time: self.now, step: self.step, client, connection, what });
        self.entries.len() - 1
    }

    pub fn of_client(&self, client: usize) -> impl Iterator<Item = (Order, &Entry)> {
        self.entries.iter().enumerate().filter(move |(_, entry)| entry.client == client)
    }

    /// Just behind the last delivery of the message to the client; the end if there is none.
    fn last_of(&self, client: usize, key: Option<Key>) -> Order {
        let is_delivery = |entry: &Entry| {
            entry.client == client
                && matches!(&entry.what, What::Delivery(delivery) if key.is_some() && delivery.key == key)
        };
        self.entries.iter().rposition(is_delivery).map_or(self.entries.len(), |order| order + 1)
    }

    /// The last `count` events of `client`, and those that concern `key`, for people to read.
    pub fn tail(&self, client: usize, key: Option<Key>, count: usize) -> String {
        let until = self.last_of(client, key);
        let concerns = |entry: &Entry| match &entry.what {
            What::Quiescent => false,
            What::Crashed | What::Stopping | What::Restarted { .. } | What::FaultBegan { .. } | What::FaultEnded => {
                true
            }
            What::Publish { key: other, .. }
            | What::Arrived { key: other }
            | What::Received { key: other }
            | What::Refused { key: other }
            | What::Accepted { key: other } => Some(*other) == key || (key.is_none() && entry.client == client),
            What::Delivery(delivery) => {
                entry.client == client
                    && (key.is_none() || delivery.key.map(|k| k.publisher) == key.map(|k| k.publisher))
                    || (key.is_some() && delivery.key == key)
            }
            _ => entry.client == client || key.is_some_and(|key| key.client() == entry.client),
        };
        let lines: Vec<_> = self.entries[..until].iter().enumerate().filter(|(_, entry)| concerns(entry)).collect();
        let mut text = String::new();
        for (order, entry) in lines.iter().skip(lines.len().saturating_sub(count)) {
            let Entry { time, step, client, connection, what } = entry;
            let line = match what {
                What::Delivery(d) => format!(
                    "Delivery {:?} {:?} qos {} retain {} dup {} id {} known {} {:?}",
                    d.key, d.topic, d.qos, d.retain, d.dup, d.packet_id, d.known, d.properties
                ),
                What::Publish { key, packet_id, dup } => {
                    let m = &self.messages[key];
                    format!("Publish {key:?} {:?} qos {} retain {} dup {dup} id {packet_id}", m.topic, m.qos, m.retain)
                }
                What::Restarted { shards } => format!("Restarted with {shards} shards"),
                What::FaultBegan { fault } => format!("The disk fails: {fault:?}"),
                other => format!("{other:?}"),
            };
            let _ = writeln!(text, "  {order:>6} step {step:>6} t {time:>7} c{client} #{connection}: {line}");
        }
        if let Some(key) = key {
            let _ = writeln!(
                text,
                "  {key:?}: {:?}",
                self.messages.get(&key).map(|m| (&m.topic, m.qos, m.retain, m.expiry_s))
            );
        }
        text
    }
}
