//! What the store gives back when the server starts.

use super::Message;
use super::batch::{Entry, SessionRecord};
use crate::routing::Subscription;

/// All that was kept.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The highest counter in any number (of sessions, entries, messages, tickets) that the store has seen, without the shard
    /// in the bits from [`STAMP_SHARD_SHIFT`](super::message::STAMP_SHARD_SHIFT) on. New ones begin above it.
    pub counter: u64,
    pub sessions: Vec<RecoveredSession>,
    pub retained: Vec<Message>,
}

/// One session. Messages that several sessions wait for share their bytes.
#[derive(Debug)]
pub struct RecoveredSession {
    pub id: u64,
    pub record: SessionRecord,
    pub subscriptions: Vec<(Box<str>, Subscription)>,
    pub unreleased: Vec<u16>,
    /// Ascending by sequence. The message of one that awaits PUBCOMP is `None`.
    pub in_flight: Vec<(Entry, Option<Message>)>,
    /// The first ones that wait, ascending by number, as many as fit into the bound of memory.
    pub queue: Vec<(Entry, Message)>,
    /// Those that wait behind them, on disk only.
    pub spilled: u64,
    /// Sizes of their messages, as [`Message::size`] has them.
    pub spilled_bytes: u64,
}
