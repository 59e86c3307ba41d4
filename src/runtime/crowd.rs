//! Those who come and go, after those who stay: connections that were accepted, and connections that have ended.
//!
//! When thousands of clients lose their connections at once and all want them back, the kernel tells of them in one breath. A turn
//! does its other work first and sends what came of it; then it takes in as many of the crowd as half of the time allows that
//! the loop may be late, and one if it is too late already. Who has been accepted and still waits then stops the accepting: the rest
//! of the crowd stands in the kernel's queue, in the order in which it came.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tracing::warn;

use super::shard::ShardDriver;
use crate::limits::CROWD_ACCEPTED_MAX;
use crate::net::SocketId;

#[derive(Debug, Default)]
pub struct Crowd {
    waiting: VecDeque<Member>,
    /// Those of them who come.
    accepted: usize,
    /// Nobody is accepted until all who were have been taken in.
    is_paused: bool,
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

    /// Whether a listener that could accept must wait.
    pub fn is_paused(&self) -> bool {
        self.is_paused
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
        let until = self.common.loop_lag_max.map(|most| self.common.clock.elapsed() + self.share(most));
        while let Some(member) = self.crowd.next() {
            match member {
                Member::Accepted { listener, socket } => self.handle_accepted(listener, socket),
                Member::Ended(socket) => self.handle_ended(socket),
            }
            if until.is_some_and(|until| self.common.clock.elapsed() >= until) {
                break;
            }
        }
        self.slow_down();
        true
    }

    /// The time of a turn that belongs to the crowd; one is taken in whatever the time.
    fn share(&self, most: Duration) -> Duration {
        if self.sampling.lag_ns() > most.as_nanos() as u64 { Duration::ZERO } else { most / 2 }
    }

    /// Accepting pauses while too many wait who were accepted, and goes on when none is left.
    fn slow_down(&mut self) {
        let is_late = self.common.loop_lag_max.is_some() && self.crowd.accepted > CROWD_ACCEPTED_MAX;
        if is_late && !self.crowd.is_paused {
            self.crowd.is_paused = true;
            self.counters().accept_slow_downs.add(1);
            if self.slow_down_warning.allows(self.now) {
                warn!(shard = self.index.0, "more clients connect than there is time for, accepting slows down");
            }
            self.for_accepting(|driver, listener| driver.ring.pause_accepting(listener));
        } else if self.crowd.is_paused && self.crowd.accepted == 0 {
            self.crowd.is_paused = false;
            self.for_accepting(|driver, listener| {
                // Those that ran out of descriptors have a time of their own.
                if !driver.paused_listeners.contains(&listener) {
                    driver.ring.resume_accepting(listener);
                }
            });
        }
    }

    fn for_accepting(&mut self, act: impl Fn(&mut Self, usize)) {
        for listener in 0..self.accepting.len() {
            if self.accepting[listener].is_some() {
                act(self, listener);
            }
        }
    }
}
