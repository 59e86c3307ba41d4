//! What the store tells a shard.

use super::Message;
use super::batch::Entry;
use crate::routing::SessionKey;

/// News for one shard.
#[derive(Debug, Default)]
pub struct Report {
    /// All batches of this shard up to this number are durable.
    pub durable: u64,
    /// Tickets of which this shard sent a section, and that are complete and durable now.
    pub tickets: Vec<u64>,
    pub loaded: Vec<Loaded>,
    /// The store takes new facts, or does not any more; `None` if that is as it was.
    pub accepting: Option<bool>,
}

impl Report {
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty() && self.loaded.is_empty() && self.accepting.is_none()
    }
}

/// Answer to a [`ReadRequest`](super::batch::ReadRequest).
#[derive(Debug)]
pub struct Loaded {
    pub key: SessionKey,
    pub generation: u32,
    /// Ascending.
    pub entries: Vec<(Entry, Message)>,
    /// Spilled entries between them that were given up because their messages had expired.
    pub expired: u64,
    /// There are none after these.
    pub is_last: bool,
}
