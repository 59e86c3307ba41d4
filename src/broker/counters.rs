//! What one shard counts. Plain numbers; who wants the sum over shards adds them up.

use super::DropReason;
use crate::access::Denial;

/// Counters since the shard's start, but for those that are said to be levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub packets_received: u64,
    pub bytes_received: u64,
    pub publishes_received: u64,
    /// PUBLISH packets sent, repetitions included.
    pub publishes_sent: u64,
    pub bytes_sent: u64,
    pub connects_accepted: u64,
    pub connects_refused: u64,
    /// Those of them that were not let in, by [`Denial`].
    pub denied: [u64; Denial::ALL.len()],
    /// Connections ended because the client broke the protocol.
    pub violations: u64,
    pub keep_alive_timeouts: u64,
    pub handshake_timeouts: u64,
    pub sessions_taken_over: u64,
    pub sessions_expired: u64,
    /// Publishes, subscriptions, sessions refused because a configured bound was reached.
    pub bounds_reached: u64,
    /// Times that a client began to send more than it may.
    pub quota_episodes: u64,
    /// Events that did not fit in the queue to the log.
    pub events_suppressed: u64,
    /// Retained copies not sent because the same publish was delivered live.
    pub retained_superseded: u64,
    /// Messages not delivered, by [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// Level: sessions, connected or not.
    pub sessions: u64,
    /// Level: subscriptions, members of shared subscriptions included.
    pub subscriptions: u64,
    /// Level: retained messages kept here.
    pub retained_messages: u64,
    /// Level: their bytes.
    pub retained_bytes: u64,
    /// Level: bytes of messages in queues and windows, of output and of packets under way.
    pub held_bytes: u64,
}

impl Counters {
    /// Messages not delivered for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Clients not let in for this reason.
    pub fn denied(&self, denial: Denial) -> u64 {
        self.denied[denial as usize]
    }
}
