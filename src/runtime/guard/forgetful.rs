//! A table of strangers: it is bounded, and forgets by itself who has nothing to be remembered for any more.

use std::hash::{BuildHasher, Hash};

use foldhash::quality::FixedState;
use hashbrown::HashTable;

use crate::broker::Millis;
use crate::limits::GUARD_SWEEP;

/// What a table has of one stranger.
pub trait Memory: Default {
    fn worth(&self, now: Millis) -> Worth;
}

/// What would be lost with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Nothing: one that is made anew would be the same.
    Nothing,
    /// A little; less, the longer ago it was used.
    UsedAt(Millis),
    /// It must not be lost.
    Everything,
}

#[derive(Debug)]
pub struct Forgetful<K, V> {
    table: HashTable<(K, V)>,
    hasher: FixedState,
    entries_max: usize,
    /// Where the next look for what can be forgotten begins.
    hand: usize,
}

/// What became of a wish for an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry<'a, V> {
    /// `None` if there is no room.
    pub value: Option<&'a mut V>,
    /// Another that was worth something has made room.
    pub has_evicted: bool,
}

impl<K: Hash + Eq, V: Memory> Forgetful<K, V> {
    /// `hash_seed` must be secret: strangers choose the keys.
    pub fn new(entries_max: usize, hash_seed: u64) -> Self {
        Self { table: HashTable::new(), hasher: FixedState::with_seed(hash_seed), entries_max, hand: 0 }
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        self.table.find_mut(hash, |(known, _)| known == key).map(|(_, value)| value)
    }

    /// The entry of `key`, a new one if there is none.
    pub fn get_or_insert(&mut self, key: K, now: Millis) -> Entry<'_, V> {
        let hash = self.hasher.hash_one(&key);
        let mut has_evicted = false;
        if self.table.find(hash, |(known, _)| *known == key).is_none() {
            has_evicted = self.make_room(now);
            if self.table.len() >= self.entries_max {
                return Entry { value: None, has_evicted };
            }
        }
        let hasher = &self.hasher;
        let entry = self.table.entry(hash, |(known, _)| *known == key, |(key, _)| hasher.hash_one(key));
        let (_, value) = entry.or_insert_with(|| (key, V::default())).into_mut();
        Entry { value: Some(value), has_evicted }
    }

    /// Looks at the next few places, round and round, and forgets entries that are worth nothing; if the table is full all the
    /// same, that one of them that was used longest ago. It looks at more places if it finds none to forget in a full table.
    /// True if one was worth something.
    fn make_room(&mut self, now: Millis) -> bool {
        let mut oldest: Option<(Millis, usize)> = None;
        for looks in 0..(GUARD_SWEEP * 4).min(self.table.num_buckets()) {
            if looks >= GUARD_SWEEP && (oldest.is_some() || self.table.len() < self.entries_max) {
                break;
            }
            self.hand = (self.hand + 1) % self.table.num_buckets();
            let Some((_, value)) = self.table.get_bucket(self.hand) else { continue };
            match value.worth(now) {
                Worth::Nothing => self.forget(self.hand),
                Worth::UsedAt(at) if oldest.is_none_or(|(oldest, _)| at < oldest) => oldest = Some((at, self.hand)),
                Worth::UsedAt(_) | Worth::Everything => {}
            }
        }
        let victim = oldest.filter(|_| self.table.len() >= self.entries_max);
        if let Some((_, place)) = victim {
            self.forget(place);
        }
        victim.is_some()
    }

    fn forget(&mut self, place: usize) {
        if let Ok(entry) = self.table.get_bucket_entry(place) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worth nothing from this time on; for ever if it is held.
    #[derive(Debug, Default)]
    struct Note {
        until: Millis,
        is_held: bool,
    }

    impl Memory for Note {
        fn worth(&self, now: Millis) -> Worth {
            match self {
                Self { is_held: true, .. } => Worth::Everything,
                Self { until, .. } if *until <= now => Worth::Nothing,
                Self { until, .. } => Worth::UsedAt(*until),
            }
        }
    }

    #[test]
    fn it_never_has_more_than_it_may() {
        let mut table = Forgetful::<u32, Note>::new(100, 1);
        let (mut evicted, mut refused) = (0, 0);
        for key in 0..10_000 {
            let entry = table.get_or_insert(key, 0);
            evicted += u32::from(entry.has_evicted);
            match entry.value {
                Some(note) => note.until = 10 + Millis::from(key),
                None => refused += 1,
            }
            assert!(table.table.len() <= 100);
        }
        assert!(evicted + refused == 9_900 && refused < 100, "{evicted} evicted, {refused} refused");
    }

    #[test]
    fn what_must_not_be_lost_is_not() {
        let mut table = Forgetful::<u32, Note>::new(50, 2);
        for key in 0..50 {
            table.get_or_insert(key, 0).value.unwrap().is_held = true;
        }
        assert_eq!(table.get_or_insert(50, 0).value.map(|note| note.until), None);
        assert!((0..50).all(|key| table.get_mut(&key).is_some()));
        table.get_mut(&7).unwrap().is_held = false;
        // A look goes over a part of the table only.
        assert!((50..90).any(|key| table.get_or_insert(key, 0).value.is_some()));
        assert!(table.get_mut(&7).is_none());
    }

    #[test]
    fn what_is_worth_nothing_is_forgotten_by_and_by() {
        let mut table = Forgetful::<u32, Note>::new(1_000_000, 3);
        for key in 0..100_000 {
            let note = table.get_or_insert(key, Millis::from(key)).value.unwrap();
            note.until = Millis::from(key) + 100;
        }
        assert!(table.table.len() < 2_000, "{}", table.table.len());
    }
}
