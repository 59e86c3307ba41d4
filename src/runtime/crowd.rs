//! Those who come and go, after those who stay: connections that were accepted, their first packets, and connections that have ended.
//!
//! When thousands of clients lose their connections at once and all want them back, the kernel tells of them in one breath. A turn
//! does its other work first and sends what came of it; then it takes in one of the crowd. While nobody else sends anything, these are
//! as many as a small part of the time allows that the loop may be late. Another connection is accepted for each that was taken in,
//! and first packets stay unread in their sockets, so that the rest of the crowd stands in the kernel's queues, in the order in which
//! it came.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tracing::warn;

use super::mailbox::Handover;
use super::shard::ShardDriver;
use crate::broker::Millis;
use crate::limits::{ACCEPTS_ARMED, CROWD_SHARE, OTHERS_ARE_QUIET_MS};
use crate::net::SocketId;

#[derive(Debug, Default)]
pub struct Crowd {
    waiting: VecDeque<Member>,
    /// Those of them who come.
    accepted: usize,
    /// As many as may be accepted wait, and not all of them have been taken in since.
    is_slow: bool,
    /// The ring may know who has something to say for the first time.
    speaks: bool,
    /// Heard or handed over since there was last nobody to take in.
    met: usize,
    /// Who speaks goes before who comes or goes, this time.
    hears: bool,
    /// When something came from one who has stayed.
    others_spoke: Option<Millis>,
}

#[derive(Debug)]
enum Member {
    Accepted {
        listener: usize,
        socket: OwnedFd,
    },
    /// From the shard that has read who it is.
    HandedOver(Box<Handover>),
    Ended(SocketId),
}

impl Crowd {
    pub fn come(&mut self, listener: usize, socket: OwnedFd) {
        self.accepted += 1;
        self.waiting.push_back(Member::Accepted { listener, socket });
    }

    pub fn speak(&mut self) {
        self.speaks = true;
    }

    pub fn arrive(&mut self, handover: Box<Handover>) {
        self.waiting.push_back(Member::HandedOver(handover));
    }

    /// One who has stayed sends something.
    pub fn others_speak(&mut self, now: Millis) {
        self.others_spoke = Some(now);
    }

    /// Whether it is more than the few who come at once on any day.
    pub fn is_large(&self) -> bool {
        self.met > ACCEPTS_ARMED
    }

    pub fn go(&mut self, socket: SocketId) {
        self.waiting.push_back(Member::Ended(socket));
    }

    fn next(&mut self) -> Option<Member> {
        let member = self.waiting.pop_front()?;
        self.accepted -= usize::from(matches!(member, Member::Accepted { .. }));
        Some(member)
    }
}

impl ShardDriver {
    /// Whether there is anybody to take in.
    pub(super) fn has_crowd(&self) -> bool {
        !self.crowd.waiting.is_empty() || self.may_hear()
    }

    /// Takes in this turn's share of the crowd; whether there was any.
    pub(super) fn advance_crowd(&mut self) -> bool {
        if !self.has_crowd() {
            return false;
        }
        let until = self.common.loop_lag_max.map(|most| self.share(most) + self.common.clock.elapsed());
        while self.meet_one() {
            if until.is_some_and(|until| self.common.clock.elapsed() >= until) {
                break;
            }
        }
        if !self.has_crowd() {
            self.crowd.met = 0;
        }
        self.note_slowness();
        true
    }

    /// Takes in one of those who come or go or hears one who speaks, in turn: neither can keep the other waiting.
    fn meet_one(&mut self) -> bool {
        self.crowd.hears = !self.crowd.hears;
        let is_heard = self.crowd.hears && self.hear();
        is_heard || self.take_in() || self.hear()
    }

    fn take_in(&mut self) -> bool {
        match self.crowd.next() {
            Some(Member::Accepted { listener, socket }) => {
                self.handle_accepted(listener, socket);
                self.ring.accept(listener);
            }
            Some(Member::HandedOver(handover)) => {
                self.crowd.met += 1;
                self.handle_handover(*handover);
            }
            Some(Member::Ended(socket)) => self.handle_ended(socket),
            None => return false,
        }
        true
    }

    /// Hears what one has to say for the first time.
    fn hear(&mut self) -> bool {
        if !self.may_hear() {
            return false;
        }
        let Some(socket) = self.ring.next_readable() else {
            self.crowd.speaks = false;
            return false;
        };
        self.crowd.met += 1;
        self.handle_readable(socket);
        true
    }

    /// Whether somebody speaks, and clients are read from.
    fn may_hear(&self) -> bool {
        self.crowd.speaks && !self.congested && self.held.is_empty()
    }

    /// The time of a turn that belongs to the crowd; one is taken in whatever the time. What the kernel has not told yet may be of
    /// those who stay: it makes 20 completions in a call, and those of 10,000 connections that end stand before it.
    fn share(&mut self, most: Duration) -> Duration {
        let is_late = self.sampling.lag_ns() > most.as_nanos() as u64;
        let others_speak = self.crowd.others_spoke.is_some_and(|at| self.now < at + OTHERS_ARE_QUIET_MS);
        if is_late || others_speak || self.ring.expects_completions() { Duration::ZERO } else { most / CROWD_SHARE }
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
