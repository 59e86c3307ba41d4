//! How many connections each user has, over all shards.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::FixedState;
use hashbrown::HashMap;

use crate::access::UserConnections;
use crate::limits::GUARD_PARTS;

/// Users who are connected. A user is known as long as a connection is open, so they are not more than those.
#[derive(Debug)]
pub struct Users {
    /// `usize::MAX` is no bound.
    connections_max: AtomicUsize,
    parts: Vec<Mutex<Part>>,
    hasher: FixedState,
}

type Part = HashMap<Box<str>, usize, FixedState>;

impl Users {
    pub fn new(connections_max: usize, hash_seed: u64) -> Self {
        let hasher = FixedState::with_seed(hash_seed);
        let part = |_| Mutex::new(HashMap::with_hasher(hasher.clone()));
        let parts = (0..GUARD_PARTS).map(part).collect();
        Self {
            connections_max: AtomicUsize::new(connections_max),
            parts,
            hasher: FixedState::with_seed(hash_seed.rotate_left(32)),
        }
    }

    /// Has another bound from now on; nobody is disconnected for it.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    fn part(&self, user_name: &str) -> MutexGuard<'_, Part> {
        let part = self.hasher.hash_one(user_name) as usize % self.parts.len();
        self.parts[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One shard's hold on it.
#[derive(Debug)]
pub struct SharedUsers(pub Arc<Users>);

impl UserConnections for SharedUsers {
    fn enter(&self, user_name: &str, is_replacing: bool) -> bool {
        let mut part = self.0.part(user_name);
        match part.get_mut(user_name) {
            Some(open) if *open >= self.0.connections_max.load(Ordering::Relaxed) && !is_replacing => return false,
            Some(open) => *open += 1,
            None => {
                part.insert(user_name.into(), 1);
            }
        }
        true
    }

    fn leave(&self, user_name: &str) {
        let mut part = self.0.part(user_name);
        match part.get_mut(user_name) {
            Some(open) if *open > 1 => *open -= 1,
            Some(_) => {
                part.remove(user_name);
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_and_users_who_have_left_are_forgotten() {
        let users = SharedUsers(Arc::new(Users::new(2, 1)));
        assert!(users.enter("a", false) && users.enter("a", false) && !users.enter("a", false));
        assert!(users.enter("b", false));
        // Three for a moment: one of them is about to end.
        assert!(users.enter("a", true));
        users.leave("a");
        assert!(!users.enter("a", false));
        (0..2).for_each(|_| users.leave("a"));
        users.leave("b");
        assert!(users.0.parts.iter().all(|part| part.lock().unwrap().is_empty()));
        users.leave("nobody");
    }
}
