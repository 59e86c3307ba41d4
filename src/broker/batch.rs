//! What a shard hands to the store: facts to be kept, as values.
//!
//! A shard collects a [`Batch`] over a turn. The store applies the operations of one shard in their order, makes them durable
//! together with those of the other shards, and says so in a [`Report`](super::Report).
//!
//! A publish may concern sessions of several shards, and is kept by all of them or by none: a QoS 2 publish whose packet
//! identifier is known here and whose message another shard has lost would be lost for good. Such a publish has a *ticket*: the
//! shard that it came to tells in its section how many others it sent the ticket to, and each of these answers with
//! one section of that ticket, an empty one if it keeps nothing. The ticket is complete when all have come, and after a
//! crash the sections of tickets that were not complete do not count. QoS 2 publishes of one session take effect in their order: one
//! that follows another whose ticket is not complete has a ticket, too, and waits for it.

use smallvec::SmallVec;

use super::{Message, Millis};
use crate::codec::Qos;
use crate::routing::{SessionKey, Subscription};
use crate::session::GroupName;

/// All that one shard has for the store since its last batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Ascending, without gaps, from 1.
    pub number: u64,
    pub sections: Vec<Section>,
    pub reads: Vec<ReadRequest>,
}

/// Operations that count together.
#[derive(Debug, Default)]
pub struct Section {
    /// 0 is none: the section counts by itself.
    pub ticket: u64,
    /// Sections of this ticket that other shards will send; `None` in theirs.
    pub awaited: Option<u32>,
    pub ops: Vec<StoreOp>,
}

/// One fact to be kept, or to be forgotten. Numbers of sessions, messages (stamps), entries and tickets are never used
/// again, also after a restart.
#[derive(Debug)]
pub enum StoreOp {
    /// A message that operations of this section name by its stamp. The store may know it already, from another shard or
    /// another session. It is kept as long as an entry or a retained topic names it.
    Message(Message),
    /// Adds a session, or replaces its record.
    Session {
        id: u64,
        record: SessionRecord,
    },
    /// Forgets a session and all that belongs to it.
    EndSession {
        id: u64,
    },
    /// Adds a subscription, or replaces the one with the same filter (`$share/name/` included).
    Subscription {
        session: u64,
        filter: Box<str>,
        subscription: Subscription,
    },
    EndSubscription {
        session: u64,
        filter: Box<str>,
    },
    /// Adds an entry, or replaces the one with the same number. New numbers of a session ascend.
    Entry {
        session: u64,
        entry: Entry,
    },
    EndEntry {
        session: u64,
        number: u64,
    },
    /// A QoS 2 publish with this packet identifier was taken from the client, and not released.
    Unreleased {
        session: u64,
        packet_id: u16,
    },
    Released {
        session: u64,
        packet_id: u16,
    },
    /// The message is its topic's retained one.
    Retain {
        stamp: u64,
    },
    /// It is not any more.
    Forget {
        stamp: u64,
    },
}

/// A session without its subscriptions and messages.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    pub client_id: Box<str>,
    /// Session Expiry Interval in seconds; `u32::MAX` never expires.
    pub expiry_s: u32,
    /// When it ends; `None` while it is connected, or if it never expires.
    pub expires_at: Option<Millis>,
    pub will: Option<WillRecord>,
}

/// The will of a session, connected or with its delay running.
#[derive(Clone, Debug)]
pub struct WillRecord {
    pub message: Message,
    pub delay_s: u32,
    pub message_expiry_s: Option<u32>,
    /// When it is published; `None` while the session is connected.
    pub due_at: Option<Millis>,
}

/// A message on its way to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub number: u64,
    /// Its message.
    pub stamp: u64,
    pub qos: Qos,
    pub retain: bool,
    pub subscription_ids: SmallVec<[u32; 2]>,
    /// The shared subscription through which it came.
    pub group: Option<GroupName>,
    pub progress: Progress,
}

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It waits in the shard's memory.
    Queued,
    /// It waits, and the shard has forgotten it until it is loaded.
    Spilled,
    /// In the window, at this place of the session's sequence of packet identifiers.
    InFlight { sequence: u64 },
    /// PUBREC has come: the message itself is not needed any more.
    Received { sequence: u64 },
}

/// Asks for the first spilled entries of a session. With the answer they are queued ones. The answer is a [`Loaded`](super::report::Loaded).
#[derive(Clone, Debug)]
pub struct ReadRequest {
    pub session: u64,
    /// Come back in the answer.
    pub key: SessionKey,
    pub generation: u32,
    /// About so many bytes of messages; at least one entry if there is any.
    pub bytes_max: usize,
}
