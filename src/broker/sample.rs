//! How long clients take to acknowledge: a few messages at a time are followed from being written to PUBACK or PUBCOMP.

use super::{Millis, Shard};
use crate::latency::{Latency, Recorder};
use crate::limits::ACKNOWLEDGEMENTS_FOLLOWED;
use crate::routing::SessionKey;

/// Messages that are followed, each for the sessions whose keys fall into its place.
#[derive(Debug, Default)]
pub(super) struct Followed {
    places: [Place; ACKNOWLEDGEMENTS_FOLLOWED],
    /// The driver's time, in nanoseconds.
    now_ns: u64,
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
    #[inline]
    fn place(&mut self, session: SessionKey) -> &mut Place {
        &mut self.places[session.0 as usize % ACKNOWLEDGEMENTS_FOLLOWED]
    }

    /// A PUBLISH of QoS 1 or 2 has been written for the first time.
    #[inline]
    pub fn written(&mut self, session: SessionKey, packet_id: u16) {
        let now_ns = self.now_ns;
        let place = self.place(session);
        if place.packet_id == 0 {
            *place = Place { session, packet_id, written_at_ns: now_ns };
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
    /// Tells the time to what is measured, in nanoseconds of the driver's clock: once in a turn.
    #[inline]
    pub fn set_time(&mut self, now_ns: u64) {
        self.followed.now_ns = now_ns;
    }

    /// From the turn in which a message of QoS 1 or 2 was written to the turn in which PUBACK or PUBCOMP came.
    pub fn acknowledgement_times(&mut self, now: Millis) -> Latency {
        self.followed.times.read(now)
    }
}
