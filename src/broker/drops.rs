//! Messages that sessions did not get, by reason. Few sessions lose any, so that nothing of it is in a session.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::DropReason;
use crate::routing::SessionKey;

type Counts = [u64; DropReason::ALL.len()];

/// Counts of the sessions that have lost something, since each began or was read from the store.
#[derive(Debug)]
pub(super) struct Drops {
    sessions: HashMap<SessionKey, Box<Counts>, FixedState>,
}

impl Drops {
    pub fn new(hash_seed: u64) -> Self {
        Self { sessions: HashMap::with_hasher(FixedState::with_seed(hash_seed)) }
    }

    #[cold]
    pub fn count(&mut self, session: SessionKey, reason: DropReason) {
        let counts = self.sessions.entry(session).or_default();
        counts[reason as usize] += 1;
    }

    /// The reasons for which a session has lost messages, and how many.
    pub fn of(&self, session: SessionKey) -> impl Iterator<Item = (DropReason, u64)> {
        let counts = self.sessions.get(&session).map_or([0; DropReason::ALL.len()], |counts| **counts);
        DropReason::ALL.into_iter().zip(counts).filter(|(_, count)| *count > 0)
    }

    /// The session has ended; its key will be another's.
    pub fn forget(&mut self, session: SessionKey) {
        if !self.sessions.is_empty() && self.sessions.remove(&session).is_some() && self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
    }
}
