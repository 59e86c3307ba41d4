//! What others may ask of a running server, from any thread.

use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError};

use super::clock::millis;
use super::guard::{Ban, TooManyBans};
use super::shard::Common;
use crate::access::BanSubject;

/// A hold on a server that does not keep it running.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    pub(super) common: Arc<Common>,
    pub(super) ended: Receiver<()>,
}

impl ServerHandle {
    /// Whether its shards run.
    pub fn is_running(&self) -> bool {
        self.ended.try_recv() != Err(TryRecvError::Disconnected)
    }

    pub fn shards(&self) -> usize {
        self.common.counters.len()
    }

    /// The bans in force, by kind and value.
    pub fn bans(&self) -> Vec<Ban> {
        self.common.guard.bans(millis(self.common.clock.elapsed()))
    }

    /// Bans, also instead of an earlier ban of the same subject, and has everybody disconnected who is connected under it: with
    /// 0x98 (Administrative action), a client before 5.0 without a word.
    pub fn ban(&self, ban: &Ban) -> Result<(), TooManyBans> {
        self.common.guard.ban(ban, millis(self.common.clock.elapsed()))
    }

    /// Ends a ban; false if there was none in force.
    pub fn lift_ban(&self, subject: &BanSubject) -> bool {
        self.common.guard.lift_ban(subject, millis(self.common.clock.elapsed()))
    }
}
