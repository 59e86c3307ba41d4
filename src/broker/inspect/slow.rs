//! The subscribers that are furthest behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::ClientState;
use crate::broker::{Millis, Shard};
use crate::routing::SessionKey;
use crate::session::Session;

/// Some of the slowest clients: those for whom most bytes wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slowest {
    /// The slowest first, each with the bytes that wait for it: in its queue, and sent but not taken by the kernel.
    pub clients: Vec<(usize, ClientState)>,
    /// The slot from which on sessions have not been looked at; `None` if all have.
    pub next: Option<u32>,
}

impl Shard {
    /// The slowest of the connected clients in the next slots from `from` on, at most `count`, of those with something that waits.
    pub fn slowest(&self, from: u32, count: usize, now: Millis) -> Slowest {
        let mut slowest: BinaryHeap<Reverse<(usize, SessionKey)>> = BinaryHeap::with_capacity(count + 1);
        let next = self.scan_sessions(from, |key, session| {
            let waiting = self.waiting_bytes(session);
            if waiting > 0 {
                slowest.push(Reverse((waiting, key)));
                if slowest.len() > count {
                    slowest.pop();
                }
            }
            true
        });
        let states = slowest.into_sorted_vec().into_iter().filter_map(|Reverse((waiting, key))| {
            let session = self.session(key)?;
            Some((waiting, self.client_state(key, session, now)))
        });
        Slowest { clients: states.collect(), next }
    }

    fn waiting_bytes(&self, session: &Session) -> usize {
        let Some(connection) = session.connection.and_then(|id| self.connection(id)) else { return 0 };
        session.waiting_bytes() + connection.unsent()
    }
}
