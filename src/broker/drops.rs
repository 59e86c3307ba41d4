//! Messages that sessions did not get, by reason. Few sessions lose any, so that nothing of it is in a session.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{DropReason, Millis};
use crate::routing::SessionKey;

/// What a session has lost for one reason, since it began or was read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub reason: DropReason,
    pub messages: u64,
    /// When the first and the last were dropped.
    pub first_at: Millis,
    pub last_at: Millis,
}

/// What the sessions that have lost something have lost, by reason: no more entries for one than there are reasons.
#[derive(Debug)]
pub(super) struct Drops {
    sessions: HashMap<SessionKey, Vec<Dropped>, FixedState>,
}

impl Drops {
    pub fn new(hash_seed: u64) -> Self {
        Self { sessions: HashMap::with_hasher(FixedState::with_seed(hash_seed)) }
    }

    #[cold]
    pub fn count(&mut self, session: SessionKey, reason: DropReason, now: Millis) {
        let reasons = self.sessions.entry(session).or_default();
        match reasons.iter_mut().find(|dropped| dropped.reason == reason) {
            Some(dropped) => {
                dropped.messages += 1;
                dropped.last_at = now;
            }
            None => reasons.push(Dropped { reason, messages: 1, first_at: now, last_at: now }),
        }
    }

    /// What a session has lost, in the order in which it began.
    pub fn of(&self, session: SessionKey) -> &[Dropped] {
        self.sessions.get(&session).map_or(&[], Vec::as_slice)
    }

    /// Messages that a session has lost.
    pub fn sum(&self, session: SessionKey) -> u64 {
        self.of(session).iter().map(|dropped| dropped.messages).sum()
    }

    /// The session has ended; its key will be another's.
    pub fn forget(&mut self, session: SessionKey) {
        if !self.sessions.is_empty() && self.sessions.remove(&session).is_some() && self.sessions.is_empty() {
            self.sessions.shrink_to_fit();
        }
    }
}
