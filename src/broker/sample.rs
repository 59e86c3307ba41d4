//! How long clients take to acknowledge: a few messages of some turns are followed from being written to PUBACK
//! or PUBCOMP.

use super::{Millis, Shard};
use crate::latency::{Latency, Recorder};
use crate::limits::{ACKNOWLEDGEMENT_FOLLOWED_S_MAX, ACKNOWLEDGEMENTS_FOLLOWED};
use crate::routing::SessionKey;

const GIVEN_UP_AFTER_NS: u64 = ACKNOWLEDGEMENT_FOLLOWED_S_MAX * 1_000_000_000;

/// Messages that are followed, each for the sessions whose keys fall into its place.
#[derive(Debug, Default)]
pub(super) struct Followed {
    places: [Place; ACKNOWLEDGEMENTS_FOLLOWED],
    /// The driver's time, in nanoseconds.
    now_ns: u64,
    /// What is written now may be followed.
    is_sampled: bool,
    times: Recorder,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    session: SessionKey,
    /// 0 while nothing is followed here.
    packet_id: u16,
    written_at_ns: u64,
}

impl Default for Place {
    fn default() -> Self {
        Self { session: SessionKey(0), packet_id: 0, written_at_ns: 0 }
    }
}

impl Followed {
    /// The driver's time, in nanoseconds; 0 if it does not tell it.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    #[inline]
    fn place(&mut self, session: SessionKey) -> &mut Place {
        &mut self.places[session.0 as usize % ACKNOWLEDGEMENTS_FOLLOWED]
    }

    /// A PUBLISH of QoS 1 or 2 has been written for the first time.
    #[inline]
    pub fn written(&mut self, session: SessionKey, packet_id: u16) {
        if !self.is_sampled {
            return;
        }
        let now_ns = self.now_ns;
        let place = self.place(session);
        let is_free = place.packet_id == 0;
        let is_given_up = !is_free && now_ns - place.written_at_ns > GIVEN_UP_AFTER_NS;
        if is_free || is_given_up {
            *place = Place { session, packet_id, written_at_ns: now_ns };
        }
        if is_given_up {
            self.times.record(GIVEN_UP_AFTER_NS, now_ns / 1_000_000);
        }
    }

    /// It is the client's.
    #[inline]
    pub fn acknowledged(&mut self, session: SessionKey, packet_id: u16) {
        let now_ns = self.now_ns;
        let place = self.place(session);
        if place.packet_id == packet_id && place.session == session {
            let written_at_ns = place.written_at_ns;
            *place = Place::default();
            self.times.record(now_ns.saturating_sub(written_at_ns), now_ns / 1_000_000);
        }
    }

    /// What the session was sent will be sent again, or never.
    pub fn forget(&mut self, session: SessionKey) {
        let place = self.place(session);
        if place.session == session {
            *place = Place::default();
        }
    }
}

impl Shard {
    /// Tells the time, in nanoseconds of the driver's clock: once in a turn, before anything else. Messages that are written in a
    /// turn which `is_sampled` may be followed; to do so for each would cost 200 instructions.
    #[inline]
    pub fn set_time(&mut self, now_ns: u64, is_sampled: bool) {
        // After a long rest the wheel would take a timer that is put now for one that is due, and the loop for late.
        self.wheel.advance(now_ns / 1_000_000);
        self.followed.now_ns = now_ns;
        self.followed.is_sampled = is_sampled;
    }

    /// From the turn in which a message of QoS 1 or 2 was written to the turn in which PUBACK or PUBCOMP came.
    pub fn acknowledgement_times(&mut self, now: Millis) -> Latency {
        self.followed.times.read(now)
    }
}
