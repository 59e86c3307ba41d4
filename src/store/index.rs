//! Where on disk is each fact that holds.
//!
//! The index is in memory as long as the store is open, so its slots are small: 40 bytes for a message, 32 for an
//! entry, both without the tables' reserve.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::record::{EntryFlags, EntryState, MESSAGE_OVERHEAD_MAX, Record};
use crate::routing::table::Table;

/// Where a record is: its segment in the upper 32 bits, its offset there in the lower. 0 is nowhere.
pub type Position = u64;

/// The "segment" of records that wait to be written; their offset is a number that only [`pending`](super::pending) knows.
const PENDING: u32 = u32::MAX;

pub fn position(segment: u32, offset: u64) -> Position {
    u64::from(segment) << 32 | offset
}

pub fn segment_of(position: Position) -> u32 {
    (position >> 32) as u32
}

pub fn offset_of(position: Position) -> u64 {
    position & u64::from(u32::MAX)
}

pub fn pending(number: usize) -> Position {
    position(PENDING, number as u64)
}

pub fn is_pending(position: Position) -> bool {
    segment_of(position) == PENDING
}

pub fn is_written(position: Position) -> bool {
    position != 0 && !is_pending(position)
}

/// Bytes of retain and unreleased records, which all have the same length.
pub const RETAIN_LEN: u32 = 10;
pub const UNRELEASED_LEN: u32 = 12;

#[derive(Debug)]
pub struct MessageSlot {
    pub stamp: u64,
    pub position: Position,
    /// Where it says that the message is its topic's retained one.
    pub retained: Position,
    /// Of topic, properties and payload.
    pub content_len: u32,
    /// Entries that need the message, and sections that may.
    pub refs: u32,
    /// Seconds since 1970, rounded up; 0 is never.
    pub expires_at_s: u32,
}

impl MessageSlot {
    pub fn record_len(&self) -> u32 {
        self.content_len + MESSAGE_OVERHEAD_MAX as u32
    }

    pub fn is_expired(&self, wall_s: u64) -> bool {
        self.expires_at_s != 0 && u64::from(self.expires_at_s) <= wall_s
    }

    fn is_needed(&self) -> bool {
        self.refs != 0 || self.retained != 0
    }
}

#[derive(Debug)]
pub struct SessionSlot {
    pub id: u64,
    pub position: Position,
    pub record_len: u32,
    pub subscriptions: HashTable<SubscriptionSlot>,
    /// Ascending by number.
    pub entries: VecDeque<EntrySlot>,
    pub unreleased: HashTable<UnreleasedSlot>,
}

#[derive(Clone, Copy, Debug)]
pub struct SubscriptionSlot {
    pub filter_hash: u64,
    pub position: Position,
    pub record_len: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct EntrySlot {
    pub number: u64,
    pub stamp: u64,
    pub position: Position,
    pub record_len: u32,
    pub flags: EntryFlags,
}

#[derive(Clone, Copy, Debug)]
pub struct UnreleasedSlot {
    pub packet_id: u16,
    pub position: Position,
}

impl SessionSlot {
    pub fn new(id: u64) -> Box<Self> {
        Box::new(Self {
            id,
            position: 0,
            record_len: 0,
            subscriptions: HashTable::new(),
            entries: VecDeque::new(),
            unreleased: HashTable::new(),
        })
    }

    /// Where the entry is, or where it would be. Most operations are about the first or the last.
    pub fn find_entry(&self, number: u64) -> Result<usize, usize> {
        match (self.entries.front(), self.entries.back()) {
            (Some(front), _) if front.number == number => Ok(0),
            (_, Some(back)) if back.number < number => Err(self.entries.len()),
            _ => self.entries.binary_search_by_key(&number, |entry| entry.number),
        }
    }
}

/// Names a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FactKey {
    Message { stamp: u64 },
    Session { id: u64 },
    Subscription { session: u64, filter_hash: u64 },
    Entry { session: u64, number: u64 },
    Unreleased { session: u64, packet_id: u16 },
    Retained { stamp: u64 },
}

/// Numbers of facts of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub messages: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub entries: u64,
    pub retained: u64,
}

pub struct Index {
    hash: FixedState,
    pub messages: Table<MessageSlot>,
    pub sessions: Table<Box<SessionSlot>>,
    pub counts: Counts,
    /// Bytes of the written records of facts that hold.
    pub bytes_live: u64,
}

impl Index {
    pub fn new(hash_seed: u64) -> Self {
        Self {
            hash: FixedState::with_seed(hash_seed),
            messages: Table::new(),
            sessions: Table::new(),
            counts: Counts::default(),
            bytes_live: 0,
        }
    }

    pub fn filter_hash(&self, filter: &str) -> u64 {
        self.hash.hash_one(filter)
    }

    pub fn message(&self, stamp: u64) -> Option<&MessageSlot> {
        self.messages.find(self.hash.hash_one(stamp), |slot| slot.stamp == stamp)
    }

    pub fn message_mut(&mut self, stamp: u64) -> Option<&mut MessageSlot> {
        self.messages.find_mut(self.hash.hash_one(stamp), |slot| slot.stamp == stamp)
    }

    /// The message's slot, a new one without a position if there is none.
    pub fn message_or_new(&mut self, stamp: u64) -> &mut MessageSlot {
        let Self { hash, messages, counts, .. } = self;
        let new = || {
            counts.messages += 1;
            MessageSlot { stamp, position: 0, retained: 0, content_len: 0, refs: 0, expires_at_s: 0 }
        };
        let hash_of = |slot: &MessageSlot| hash.hash_one(slot.stamp);
        messages.find_or_insert(hash.hash_one(stamp), |slot| slot.stamp == stamp, hash_of, new)
    }

    /// Takes the message out if nothing needs it.
    pub fn remove_unneeded(&mut self, stamp: u64) -> Option<MessageSlot> {
        let Self { hash, messages, counts, .. } = self;
        let equal = |slot: &MessageSlot| slot.stamp == stamp && !slot.is_needed();
        let removed = messages.remove(hash.hash_one(stamp), equal, |slot| hash.hash_one(slot.stamp));
        counts.messages -= u64::from(removed.is_some());
        removed
    }

    pub fn session(&self, id: u64) -> Option<&SessionSlot> {
        self.sessions.find(self.hash.hash_one(id), |slot| slot.id == id).map(Box::as_ref)
    }

    pub fn session_mut(&mut self, id: u64) -> Option<&mut SessionSlot> {
        self.sessions.find_mut(self.hash.hash_one(id), |slot| slot.id == id).map(Box::as_mut)
    }

    /// The spilled entries of a session up to this one are their shard's again.
    pub fn note_loaded(&mut self, session: u64, last: u64) {
        let Some(slot) = self.session_mut(session) else { return };
        for entry in slot.entries.iter_mut().take_while(|entry| entry.number <= last) {
            entry.flags = entry.flags.with_spilled(false);
        }
    }

    /// From `first` on the waiting entries of a session are spilled, before it they are not.
    pub fn set_spilled(&mut self, session: u64, first: u64) {
        let Some(slot) = self.session_mut(session) else { return };
        for entry in &mut slot.entries {
            let is_spilled = entry.number >= first && entry.flags.state() == EntryState::Queued;
            entry.flags = entry.flags.with_spilled(is_spilled);
        }
    }

    pub fn session_or_new(&mut self, id: u64) -> &mut SessionSlot {
        let Self { hash, sessions, counts, .. } = self;
        let new = || {
            counts.sessions += 1;
            SessionSlot::new(id)
        };
        sessions.find_or_insert(hash.hash_one(id), |slot| slot.id == id, |slot| hash.hash_one(slot.id), new)
    }

    pub fn remove_session(&mut self, id: u64) -> Option<Box<SessionSlot>> {
        let Self { hash, sessions, counts, .. } = self;
        let removed = sessions.remove(hash.hash_one(id), |slot| slot.id == id, |slot| hash.hash_one(slot.id))?;
        counts.sessions -= 1;
        counts.subscriptions -= removed.subscriptions.len() as u64;
        counts.entries -= removed.entries.len() as u64;
        Some(removed)
    }

    /// The fact that a record states; `None` if it only voids another.
    pub fn key_of(&self, record: &Record<'_>) -> Option<FactKey> {
        Some(match *record {
            Record::Message { stamp, .. } => FactKey::Message { stamp },
            Record::Session { id, .. } => FactKey::Session { id },
            Record::Subscription { session, filter, .. } => {
                FactKey::Subscription { session, filter_hash: self.filter_hash(filter) }
            }
            Record::Entry { session, number, .. } => FactKey::Entry { session, number },
            Record::Unreleased { session, packet_id } => FactKey::Unreleased { session, packet_id },
            Record::Retain { stamp } => FactKey::Retained { stamp },
            _ => return None,
        })
    }

    /// Where the fact's record is; 0 if the fact does not hold.
    pub fn position_of(&mut self, key: FactKey) -> Position {
        self.place(key).map_or(0, |(position, _)| *position)
    }

    /// The fact's record is somewhere else now.
    pub fn move_to(&mut self, key: FactKey, position: Position) {
        if let Some((place, _)) = self.place(key) {
            *place = position;
        }
    }

    /// The fact's record was written.
    pub fn set_written(&mut self, key: FactKey, position: Position, len: u32) {
        let Some((place, place_len)) = self.place(key) else { return };
        *place = position;
        let live = match place_len {
            PlaceLen::Kept(kept) => {
                *kept = len;
                len
            }
            PlaceLen::Known(known) => known,
        };
        self.bytes_live += u64::from(live);
    }

    fn place(&mut self, key: FactKey) -> Option<(&mut Position, PlaceLen<'_>)> {
        match key {
            FactKey::Message { stamp } => {
                let slot = self.message_mut(stamp)?;
                let len = slot.record_len();
                Some((&mut slot.position, PlaceLen::Known(len)))
            }
            FactKey::Retained { stamp } => Some((&mut self.message_mut(stamp)?.retained, PlaceLen::Known(RETAIN_LEN))),
            FactKey::Session { id } => {
                let slot = self.session_mut(id)?;
                Some((&mut slot.position, PlaceLen::Kept(&mut slot.record_len)))
            }
            FactKey::Subscription { session, filter_hash } => {
                let subscriptions = &mut self.session_mut(session)?.subscriptions;
                let slot = subscriptions.find_mut(filter_hash, |slot| slot.filter_hash == filter_hash)?;
                Some((&mut slot.position, PlaceLen::Kept(&mut slot.record_len)))
            }
            FactKey::Entry { session, number } => {
                let session = self.session_mut(session)?;
                let index = session.find_entry(number).ok()?;
                let slot = session.entries.get_mut(index)?;
                Some((&mut slot.position, PlaceLen::Kept(&mut slot.record_len)))
            }
            FactKey::Unreleased { session, packet_id } => {
                let unreleased = &mut self.session_mut(session)?.unreleased;
                let slot = unreleased.find_mut(packet_hash(packet_id), |slot| slot.packet_id == packet_id)?;
                Some((&mut slot.position, PlaceLen::Known(UNRELEASED_LEN)))
            }
        }
    }
}

enum PlaceLen<'a> {
    Kept(&'a mut u32),
    Known(u32),
}

/// Spreads a packet identifier over the bits that a table looks at.
pub fn packet_hash(packet_id: u16) -> u64 {
    u64::from(packet_id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
