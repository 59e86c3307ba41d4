//! Those who come and go, after those who stay: connections that were accepted, and connections that have ended.
//!
//! When thousands of clients lose their connections at once and all want them back, the kernel tells of them in one breath. A turn
//! does its other work first and sends what came of it; then it takes in as many of the crowd as half of the time allows that
//! the loop may be late, and one if it is too late already. Another connection is accepted for each that was taken in, so that the rest
//! of the crowd stands in the kernel's queue, in the order in which it came.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tracing::warn;

use super::shard::ShardDriver;
use crate::limits::ACCEPTS_ARMED;
use crate::net::SocketId;

#[derive(Debug, Default)]
pub struct Crowd {
    waiting: VecDeque<Member>,
    /// Those of them who come.
    accepted: usize,
    /// As many as may be accepted wait, and not all of them have been taken in since.
    is_slow: bool,
}

#[derive(Debug)]
enum Member {
    Accepted { listener: usize, socket: OwnedFd },
    Ended(SocketId),
}

impl Crowd {
    pub fn come(&mut self, listener: usize, socket: OwnedFd) {
        self.accepted += 1;
        self.waiting.push_back(Member::Accepted { listener, socket });
    }

    pub fn go(&mut self, socket: SocketId) {
        self.waiting.push_back(Member::Ended(socket));
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn next(&mut self) -> Option<Member> {
        let member = self.waiting.pop_front()?;
        self.accepted -= usize::from(matches!(member, Member::Accepted { .. }));
        Some(member)
    }
}

impl ShardDriver {
    /// Takes in this turn's share of the crowd; whether there was any.
    pub(super) fn advance_crowd(&mut self) -> bool {
        if self.crowd.is_empty() {
            return false;
        }
        let until = self.common.loop_lag_max.map(|most| self.share(most) + self.common.clock.elapsed());
        while let Some(member) = self.crowd.next() {
            match member {
                Member::Accepted { listener, socket } => {
                    self.handle_accepted(listener, socket);
                    self.ring.accept(listener);
                }
                Member::Ended(socket) => self.handle_ended(socket),
            }
            if until.is_some_and(|until| self.common.clock.elapsed() >= until) {
                break;
            }
        }
        self.note_slowness();
        true
    }

    /// The time of a turn that belongs to the crowd; one is taken in whatever the time. What the kernel has not told yet may be of
    /// those who stay: it makes 20 completions in a call, and those of 10,000 connections that end stand before it.
    fn share(&mut self, most: Duration) -> Duration {
        let is_late = self.sampling.lag_ns() > most.as_nanos() as u64;
        if is_late || self.ring.expects_completions() { Duration::ZERO } else { most / 2 }
    }

    /// Tells when there was no time for those who were accepted.
    fn note_slowness(&mut self) {
        if self.crowd.accepted >= ACCEPTS_ARMED && !self.crowd.is_slow {
            self.crowd.is_slow = true;
            self.counters().accept_slow_downs.add(1);
            if self.slow_down_warning.allows(self.now) {
                warn!(shard = self.index.0, "more clients connect than there is time for, accepting slows down");
            }
        } else if self.crowd.accepted == 0 {
            self.crowd.is_slow = false;
        }
    }
}
