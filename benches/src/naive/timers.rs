//! Timers in an ordered map.

use std::collections::BTreeMap;

/// Deadline, and a number that tells timers of one deadline apart.
pub type TimerId = (u64, u64);

#[derive(Debug)]
pub struct Timers<K> {
    timers: BTreeMap<TimerId, K>,
    number: u64,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { timers: BTreeMap::new(), number: 0 }
    }
}

impl<K> Timers<K> {
    pub fn insert(&mut self, deadline: u64, key: K) -> TimerId {
        self.number += 1;
        self.timers.insert((deadline, self.number), key);
        (deadline, self.number)
    }

    pub fn cancel(&mut self, id: TimerId) -> bool {
        self.timers.remove(&id).is_some()
    }

    pub fn expire(&mut self, now: u64, due: &mut Vec<K>) {
        while let Some(entry) = self.timers.first_entry().filter(|entry| entry.key().0 <= now) {
            due.push(entry.remove());
        }
    }
}
