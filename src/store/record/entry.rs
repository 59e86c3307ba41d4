//! Entries, and what the index knows of them.

use super::{Parts, RECORD_HEADER_MAX, encode_with};
use crate::broker::batch::{Entry, Progress};
use crate::codec::Qos;
use crate::session::GroupName;

/// Bytes of an entry record without details at most.
pub const ENTRY_LEN_MAX: usize = RECORD_HEADER_MAX + 8 + 8 + 8 + 1 + 8;

/// What the index knows of an entry besides its numbers: how far it has come in bits 0 and 1 ([`EntryState`]), QoS in bits 2
/// and 3, 16 RETAIN, 32 details (subscription identifiers, group), 64 spilled: its shard has forgotten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryFlags(pub u8);

const SPILLED: u8 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    Queued,
    InFlight,
    Received,
    /// Given up by the store, because its message has expired: only in the index, until the shard is told.
    Expired,
}

impl EntryFlags {
    pub fn of(entry: &Entry) -> Self {
        let state = match entry.progress {
            Progress::Queued => 0,
            Progress::Spilled => SPILLED,
            Progress::InFlight { .. } => 1,
            Progress::Received { .. } => 2,
        };
        let has_details = !entry.subscription_ids.is_empty() || entry.group.is_some();
        Self(state | (entry.qos as u8) << 2 | u8::from(entry.retain) << 4 | u8::from(has_details) << 5)
    }

    pub fn state(self) -> EntryState {
        match self.0 & 3 {
            0 => EntryState::Queued,
            1 => EntryState::InFlight,
            2 => EntryState::Received,
            _ => EntryState::Expired,
        }
    }

    pub fn expired(self) -> Self {
        Self(self.0 | 3)
    }

    pub fn is_spilled(self) -> bool {
        self.0 & SPILLED != 0
    }

    /// The same, known to its shard or not.
    pub fn with_spilled(self, is_spilled: bool) -> Self {
        Self(if is_spilled { self.0 | SPILLED } else { self.0 & !SPILLED })
    }

    pub fn qos(self) -> Qos {
        Qos::from_bits(self.0 >> 2 & 3).unwrap_or_default()
    }

    pub fn retain(self) -> bool {
        self.0 & 16 != 0
    }

    pub fn has_details(self) -> bool {
        self.0 & 32 != 0
    }

    /// Whether it needs its message.
    pub fn holds_message(self) -> bool {
        matches!(self.state(), EntryState::Queued | EntryState::InFlight)
    }
}

pub fn encode_entry(bytes: &mut Vec<u8>, session: u64, entry: &Entry) {
    let flags = EntryFlags::of(entry);
    let mut body_len = 8 + 8 + 8 + 1;
    let sequence = match entry.progress {
        Progress::Queued | Progress::Spilled => None,
        Progress::InFlight { sequence } | Progress::Received { sequence } => Some(sequence),
    };
    body_len += if sequence.is_some() { 8 } else { 0 };
    let (share, filter) = entry.group.as_ref().map_or(("", ""), |group| (&*group.share, &*group.filter));
    if flags.has_details() {
        body_len += 4 + 2 + 4 * entry.subscription_ids.len() + 2 + share.len() + filter.len();
    }
    encode_with(bytes, 6, body_len, |bytes| {
        bytes.extend_from_slice(&session.to_le_bytes());
        bytes.extend_from_slice(&entry.number.to_le_bytes());
        bytes.extend_from_slice(&entry.stamp.to_le_bytes());
        bytes.push(flags.0);
        if let Some(sequence) = sequence {
            bytes.extend_from_slice(&sequence.to_le_bytes());
        }
        if !flags.has_details() {
            return;
        }
        let start = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&(entry.subscription_ids.len() as u16).to_le_bytes());
        entry.subscription_ids.iter().for_each(|id| bytes.extend_from_slice(&id.to_le_bytes()));
        bytes.extend_from_slice(&(share.len() as u16).to_le_bytes());
        bytes.extend_from_slice(share.as_bytes());
        bytes.extend_from_slice(filter.as_bytes());
        let crc = crc32fast::hash(&bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    });
}

pub fn decode_entry(body: &[u8]) -> Option<Entry> {
    let mut parts = Parts(body);
    parts.u64()?;
    let (number, stamp, flags) = (parts.u64()?, parts.u64()?, EntryFlags(parts.u8()?));
    let progress = match flags.state() {
        EntryState::Queued if flags.is_spilled() => Progress::Spilled,
        EntryState::Queued => Progress::Queued,
        EntryState::InFlight => Progress::InFlight { sequence: parts.u64()? },
        EntryState::Received => Progress::Received { sequence: parts.u64()? },
        EntryState::Expired => return None,
    };
    let mut entry = simple_entry(number, stamp, flags);
    entry.progress = progress;
    if flags.has_details() {
        let crc = parts.u32()?;
        if crc32fast::hash(parts.0) != crc {
            return None;
        }
        for _ in 0..parts.u16()? {
            entry.subscription_ids.push(parts.u32()?);
        }
        let share_len = parts.u16()?;
        let share: Box<str> = std::str::from_utf8(parts.take(usize::from(share_len))?).ok()?.into();
        let filter: Box<str> = parts.rest_as_text()?.into();
        // A share name has at least one character (section 4.8.2).
        entry.group = (!share.is_empty()).then_some(GroupName { share, filter });
    } else if !parts.0.is_empty() {
        return None;
    }
    Some(entry)
}

/// A queued entry without details, that the index alone can tell.
pub fn simple_entry(number: u64, stamp: u64, flags: EntryFlags) -> Entry {
    Entry {
        number,
        stamp,
        qos: flags.qos(),
        retain: flags.retain(),
        subscription_ids: Default::default(),
        group: None,
        progress: Progress::Queued,
    }
}
