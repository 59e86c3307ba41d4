//! How long the stages of a turn take, by following one turn in [`TURNS_PER_SAMPLE`] with the clock, and how late the loop is.
//!
//! The stages are a turn's, not a single message's: all that came is routed before anything is queued for the kernel, so the end
//! of a stage is that of the last message in it, and no other took longer.

use std::time::Duration;

use crate::broker::Millis;
use crate::latency::Recorder;
use crate::limits::TURNS_PER_SAMPLE;
use crate::net::SocketId;

#[derive(Debug, Default)]
pub struct Sampling {
    pub received_to_routed: Recorder,
    pub routed_to_queued: Recorder,
    pub queued_to_written: Recorder,
    pub loop_lag: Recorder,
    turns: u64,
    is_sampled: bool,
    /// When this turn began.
    began_ns: u64,
    now: Millis,
    /// When all that this turn was given had been routed, if it is a sampled one.
    routed_at_ns: Option<u64>,
    /// Since when there may be work that has not been looked at: 0 after a rest.
    waiting_since_ns: u64,
    lag_ns: u64,
    followed: Option<Followed>,
}

/// A send on its way.
#[derive(Debug)]
struct Followed {
    socket: SocketId,
    /// 0 until the turn that sends it has queued it.
    queued_at_ns: u64,
}

impl Sampling {
    /// A turn begins; `deadline` is when the first timer is due.
    #[inline]
    pub fn begin_turn(&mut self, began: Duration, deadline: Option<Millis>) {
        self.began_ns = began.as_nanos() as u64;
        self.now = self.began_ns / 1_000_000;
        let timer_lag_ns = deadline.map_or(0, |deadline| self.began_ns.saturating_sub((deadline + 1) * 1_000_000));
        let wait_ns = if self.waiting_since_ns == 0 { 0 } else { self.began_ns - self.waiting_since_ns };
        self.lag_ns = wait_ns.max(timer_lag_ns);
        self.loop_lag.record(self.lag_ns, self.now);
        self.turns += 1;
        self.is_sampled = self.turns.is_multiple_of(TURNS_PER_SAMPLE);
    }

    #[inline]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    #[inline]
    pub fn turn_began_ns(&self) -> u64 {
        self.began_ns
    }

    /// How long work may have waited before this turn looked at it, in nanoseconds.
    #[inline]
    pub fn lag_ns(&self) -> u64 {
        self.lag_ns
    }

    /// All that has come in a sampled turn is routed.
    pub fn routed(&mut self, at: Duration) {
        let at_ns = at.as_nanos() as u64;
        self.received_to_routed.record(at_ns - self.began_ns, self.now);
        self.routed_at_ns = Some(at_ns);
    }

    /// All that a sampled turn sends is queued for the kernel and for other shards.
    pub fn queued(&mut self, at: Duration) {
        let at_ns = at.as_nanos() as u64;
        if let Some(routed_at_ns) = self.routed_at_ns.take() {
            self.routed_to_queued.record(at_ns - routed_at_ns, self.now);
        }
        if let Some(followed) = self.followed.as_mut().filter(|followed| followed.queued_at_ns == 0) {
            followed.queued_at_ns = at_ns;
        }
    }

    /// The first output of a sampled turn is followed, if none is under way.
    #[inline]
    pub fn sending(&mut self, socket: SocketId) {
        if self.is_sampled && self.followed.is_none() {
            self.followed = Some(Followed { socket, queued_at_ns: 0 });
        }
    }

    /// The kernel has taken an output.
    #[inline]
    pub fn sent(&mut self, socket: SocketId) {
        if let Some(followed) = self.followed.take_if(|followed| followed.socket == socket)
            && followed.queued_at_ns != 0
        {
            self.queued_to_written.record(self.began_ns.saturating_sub(followed.queued_at_ns), self.now);
        }
    }

    /// Nothing more becomes of what was on its way.
    pub fn closed(&mut self, socket: SocketId) {
        self.followed.take_if(|followed| followed.socket == socket);
    }

    /// The turn is over; if completions are left over, what waits in the next one has waited since this one began or longer.
    #[inline]
    pub fn end_turn(&mut self, has_left_over: bool) {
        if !has_left_over || self.waiting_since_ns == 0 {
            self.waiting_since_ns = self.began_ns;
        }
    }

    /// The shard sleeps: whatever wakes it has not waited.
    #[inline]
    pub fn rest(&mut self) {
        self.waiting_since_ns = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn a_turn_is_as_late_as_the_one_before_was_long() {
        let mut sampling = Sampling::default();
        sampling.begin_turn(at(1_000), None);
        assert_eq!(sampling.lag_ns(), 0, "nothing was before it");
        sampling.end_turn(false);
        sampling.begin_turn(at(1_300), None);
        assert_eq!(sampling.lag_ns(), 300_000);
        sampling.end_turn(false);
        sampling.rest();
        sampling.begin_turn(at(9_000), None);
        assert_eq!(sampling.lag_ns(), 0, "it slept");
        assert_eq!(sampling.loop_lag.read(0).all.count(), 3);
    }

    #[test]
    fn what_is_left_over_goes_on_waiting() {
        let mut sampling = Sampling::default();
        for (began, lag) in [(1_000, 0), (1_300, 300_000), (1_600, 600_000)] {
            sampling.begin_turn(at(began), None);
            assert_eq!(sampling.lag_ns(), lag);
            sampling.end_turn(true);
        }
    }

    #[test]
    fn a_timer_that_is_overdue_is_lag() {
        let mut sampling = Sampling::default();
        sampling.begin_turn(at(20_500), Some(15));
        assert_eq!(sampling.lag_ns(), 4_500_000);
    }
}
