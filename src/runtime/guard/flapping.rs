//! Which clients connect again and again. A client id has one home, so each shard counts those at home there.

use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::Flapping;
use super::forgetful::{Forgetful, Memory, Worth};
use crate::broker::Millis;
use crate::limits::FLAPPING_CLIENTS_MAX;

/// The clients of one shard that have connected lately, by a hash of their ids: those may be 64 KiB each.
#[derive(Debug)]
pub struct FlappingClients {
    flapping: Flapping,
    hasher: FixedState,
    clients: Forgetful<u64, Lately>,
}

#[derive(Debug, Default)]
struct Lately {
    /// When the window of its first connect is over.
    until: Millis,
    connects: u32,
}

impl FlappingClients {
    pub fn new(flapping: Flapping, hash_seed: u64) -> Self {
        let clients = Forgetful::new(FLAPPING_CLIENTS_MAX, hash_seed);
        Self { flapping, hasher: FixedState::with_seed(hash_seed.rotate_left(32)), clients }
    }

    /// Counts a client that has connected; the configured ban if that was once too often.
    pub fn count(&mut self, client_id: &str, now: Millis) -> Option<Flapping> {
        let key = self.hasher.hash_one(client_id);
        let lately = self.clients.get_or_insert(key, now).value?;
        if lately.until <= now {
            *lately = Lately { until: now.saturating_add(self.flapping.window.as_millis() as u64), connects: 0 };
        }
        lately.connects += 1;
        if lately.connects <= self.flapping.connects {
            return None;
        }
        // After the ban it begins anew.
        *lately = Lately::default();
        Some(self.flapping)
    }
}

impl Memory for Lately {
    fn worth(&self, now: Millis) -> Worth {
        if self.until <= now { Worth::Nothing } else { Worth::UsedAt(self.until) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clients(connects: u32) -> FlappingClients {
        let flapping = Flapping { connects, window: Duration::from_secs(1), ban: Duration::from_secs(5) };
        FlappingClients::new(flapping, 3)
    }

    #[test]
    fn a_client_flaps_when_it_connects_once_too_often_in_a_window() {
        let mut clients = clients(3);
        let mut flaps = |now| clients.count("a", now).is_some();
        assert!([0, 10, 999].into_iter().all(|now| !flaps(now)));
        // A new window.
        assert!([1_000, 1_001, 1_999].into_iter().all(|now| !flaps(now)));
        assert!(flaps(1_999));
        // It was banned, and begins anew.
        assert!([2_000, 2_001, 2_002].into_iter().all(|now| !flaps(now)));
        assert!(flaps(2_003));
    }

    #[test]
    fn others_do_not_count() {
        let mut clients = clients(1);
        assert!((0..10_000).all(|number| clients.count(&format!("client-{number}"), 0).is_none()));
        assert!(clients.count("client-9999", 0).is_some());
    }
}
