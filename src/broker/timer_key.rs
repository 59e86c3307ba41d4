//! What a timer is for, in eight bytes: each connection has a timer.

use super::ConnectionId;
use crate::routing::SessionKey;

/// Names a connection or a session with its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerKey {
    slot: u32,
    /// The generation, and [`SESSION`].
    generation: u32,
}

/// [`TimerKey`], taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimerTarget {
    Connection(ConnectionId),
    Session(SessionKey, u32),
}

/// Generations are below this bit.
pub(super) const GENERATION_MASK: u32 = SESSION - 1;
const SESSION: u32 = 1 << 31;

const _: () = assert!(size_of::<TimerKey>() == 8);

impl TimerKey {
    pub fn connection(id: ConnectionId) -> Self {
        debug_assert!(id.generation <= GENERATION_MASK);
        Self { slot: id.slot, generation: id.generation }
    }

    pub fn session(key: SessionKey, generation: u32) -> Self {
        debug_assert!(generation <= GENERATION_MASK);
        Self { slot: key.0, generation: generation | SESSION }
    }

    pub fn target(self) -> TimerTarget {
        let generation = self.generation & GENERATION_MASK;
        if self.generation & SESSION == 0 {
            TimerTarget::Connection(ConnectionId { slot: self.slot, generation })
        } else {
            TimerTarget::Session(SessionKey(self.slot), generation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_back_what_it_was_made_of() {
        for generation in [0, 1, GENERATION_MASK] {
            let id = ConnectionId { slot: u32::MAX, generation };
            assert_eq!(TimerKey::connection(id).target(), TimerTarget::Connection(id));
            let key = SessionKey(7);
            assert_eq!(TimerKey::session(key, generation).target(), TimerTarget::Session(key, generation));
        }
    }
}
