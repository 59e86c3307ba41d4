//! The sessions behind one filter, or one group.
//!
//! A dense array, because a publish reads all of it in order: a fan-out is a linear copy. Up to [`SCANNED_MAX`]
//! entries a session is found by looking at each; beyond that a side table maps the session to its position, so that
//! the 100,000th subscriber of a filter comes and goes as fast as the second. Removal moves the last entry into the
//! gap; nothing depends on the order.

use hashbrown::HashTable;

use super::{SessionKey, Subscription};

/// A session and what it asked for: 12 bytes.
pub(super) type Member = (SessionKey, Subscription);

/// Entries up to which a scan (three cache lines) beats a side table.
const SCANNED_MAX: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Members {
    entries: Vec<Member>,
    /// Positions in `entries` by session; there while they are more than `SCANNED_MAX`.
    positions: Option<Box<HashTable<u32>>>,
}

impl Members {
    #[inline]
    pub fn as_slice(&self) -> &[Member] {
        &self.entries
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[inline]
    pub fn position(&self, session: SessionKey) -> Option<usize> {
        match &self.positions {
            None => self.entries.iter().position(|entry| entry.0 == session),
            Some(positions) => positions
                .find(hash(session), |&position| self.entries[position as usize].0 == session)
                .map(|&position| position as usize),
        }
    }

    /// Adds a member, at the end, or replaces its subscription; true if it is new.
    pub fn insert(&mut self, session: SessionKey, subscription: Subscription) -> bool {
        if let Some(position) = self.position(session) {
            self.entries[position].1 = subscription;
            return false;
        }
        self.entries.push((session, subscription));
        let entries = &self.entries;
        if let Some(positions) = &mut self.positions {
            let position = entries.len() as u32 - 1;
            positions.insert_unique(hash(session), position, |&other| hash(entries[other as usize].0));
        } else if entries.len() > SCANNED_MAX {
            let mut positions = HashTable::with_capacity(2 * SCANNED_MAX);
            for (position, entry) in (0..).zip(entries) {
                positions.insert_unique(hash(entry.0), position, |&other: &u32| hash(entries[other as usize].0));
            }
            self.positions = Some(Box::new(positions));
        }
        true
    }

    /// Takes out the member at `position`; the last one takes its place.
    pub fn remove_at(&mut self, position: usize) -> Member {
        let last = self.entries.len() - 1;
        self.swap(position, last);
        if let Some(positions) = &mut self.positions {
            let session = self.entries[last].0;
            if let Ok(entry) = positions.find_entry(hash(session), |&other| other as usize == last) {
                entry.remove();
            }
        }
        let removed = self.entries.swap_remove(last);
        if self.entries.len() <= SCANNED_MAX / 2 {
            self.positions = None;
        }
        if self.entries.capacity() > SCANNED_MAX && self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
            let entries = &self.entries;
            if let Some(positions) = &mut self.positions {
                positions.shrink_to(entries.len() * 2, |&other| hash(entries[other as usize].0));
            }
        }
        removed
    }

    /// Lets two members change places.
    pub fn swap(&mut self, one: usize, other: usize) {
        if one == other {
            return;
        }
        if let Some(positions) = &mut self.positions {
            let (hash_one, hash_other) = (hash(self.entries[one].0), hash(self.entries[other].0));
            // Both are looked up before either is written: in between, two entries would name one position.
            if let Some(position) = positions.find_mut(hash_one, |&position| position as usize == one) {
                *position = u32::MAX;
            }
            if let Some(position) = positions.find_mut(hash_other, |&position| position as usize == other) {
                *position = one as u32;
            }
            if let Some(position) = positions.find_mut(hash_one, |&position| position == u32::MAX) {
                *position = other as u32;
            }
        }
        self.entries.swap(one, other);
    }
}

/// Session numbers are the broker's own choice, no client's: spreading them over the bits is enough.
#[inline]
fn hash(session: SessionKey) -> u64 {
    let product = u64::from(session.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}
