//! What others may ask of a running server, from any thread.

use std::sync::Arc;

use crossbeam_channel::{Receiver, TryRecvError};

use super::clock::{Clock, millis};
use super::guard::{Ban, Guard, TooManyBans};
use crate::access::BanSubject;

/// A hold on a server that does not keep it running.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    pub(super) clock: Clock,
    pub(super) guard: Arc<Guard>,
    pub(super) ended: Receiver<()>,
}

impl ServerHandle {
    /// Whether its shards run.
    pub fn is_running(&self) -> bool {
        self.ended.try_recv() != Err(TryRecvError::Disconnected)
    }

    /// The bans in force, by kind and value.
    pub fn bans(&self) -> Vec<Ban> {
        self.guard.bans(millis(self.clock.elapsed()))
    }

    /// Bans, also instead of an earlier ban of the same subject, and has everybody disconnected who is connected under it: with
    /// 0x98 (Administrative action), a client before 5.0 without a word.
    pub fn ban(&self, ban: &Ban) -> Result<(), TooManyBans> {
        self.guard.ban(ban, millis(self.clock.elapsed()))
    }

    /// Ends a ban; false if there was none in force.
    pub fn lift_ban(&self, subject: &BanSubject) -> bool {
        self.guard.lift_ban(subject, millis(self.clock.elapsed()))
    }
}
