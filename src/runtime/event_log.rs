//! What the core reports, as log lines; so many of a kind in a second and no more, because strangers cause them.

use tracing::{Level, debug, info, warn};

use super::counters::Counter;
use super::guard::{Ban, Refusal, TooManyBans};
use crate::access::Address;
use crate::broker::{CloseReason, Event, Millis};
use crate::limits;
use crate::net::layers::LayerFailure;

const KINDS: usize = FLAPPING + 3;
/// Connections that end below MQTT.
const LAYER_FAILURE: usize = 8;
/// Connections that are closed at the door, each reason for itself.
const FIRST_REFUSAL: usize = 9;
/// Clients that connect again and again.
const FLAPPING: usize = FIRST_REFUSAL + Refusal::ALL.len();
/// Sessions that end with messages lost.
const SESSION_LOST: usize = FLAPPING + 1;
/// Filters that are not granted.
const SUBSCRIPTION_REFUSED: usize = FLAPPING + 2;
const SECOND_MS: Millis = 1_000;

/// One shard's log lines.
#[derive(Debug)]
pub struct EventLog {
    shard: u8,
    second_began: Millis,
    written: [u32; KINDS],
    suppressed: u64,
}

impl EventLog {
    pub fn new(shard: u8) -> Self {
        Self { shard, second_began: 0, written: [0; KINDS], suppressed: 0 }
    }

    pub fn write(&mut self, event: &Event, now: Millis, counter: &Counter) {
        self.advance(now);
        if is_wanted(event) && self.has_room(kind(event), counter) {
            write_line(self.shard, event);
        }
    }

    pub fn write_layer_failure(
        &mut self,
        address: Option<Address>,
        failure: &LayerFailure,
        now: Millis,
        counter: &Counter,
    ) {
        self.advance(now);
        if tracing::enabled!(Level::WARN) && self.has_room(LAYER_FAILURE, counter) {
            let address = address.map(tracing::field::display);
            warn!(shard = self.shard, address, reason = failure.name(), "connection closed: {failure}");
        }
    }

    pub fn write_refusal(&mut self, address: Address, refusal: Refusal, now: Millis, counter: &Counter) {
        self.advance(now);
        if tracing::enabled!(Level::WARN) && self.has_room(FIRST_REFUSAL + refusal as usize, counter) {
            warn!(shard = self.shard, %address, reason = refusal.name(), "connection refused");
        }
    }

    pub fn write_flapping(
        &mut self,
        ban: &Ban,
        address: Address,
        made: Result<(), TooManyBans>,
        now: Millis,
        counter: &Counter,
    ) {
        self.advance(now);
        if tracing::enabled!(Level::WARN) && self.has_room(FLAPPING, counter) {
            let ban_s = ban.left.map(|left| left.as_secs());
            match made {
                Ok(()) => warn!(shard = self.shard, %address, ban_s, "{} banned, it connects too often", ban.subject),
                Err(error) => warn!(shard = self.shard, %address, "{} flaps and is not banned: {error}", ban.subject),
            }
        }
    }

    fn has_room(&mut self, kind: usize, counter: &Counter) -> bool {
        let written = &mut self.written[kind];
        if *written >= limits::LOG_LINES_PER_SECOND {
            self.suppressed += 1;
            counter.add(1);
            return false;
        }
        *written += 1;
        true
    }

    /// Reports what was suppressed when its second is over.
    pub fn advance(&mut self, now: Millis) {
        if now < self.second_began + SECOND_MS {
            return;
        }
        if self.suppressed > 0 {
            warn!(shard = self.shard, suppressed = self.suppressed, "too many events of one kind, lines left out");
        }
        self.second_began = now;
        self.written = [0; KINDS];
        self.suppressed = 0;
    }

    /// When to call `advance`, if there is something to report.
    pub fn next_deadline(&self) -> Option<Millis> {
        (self.suppressed > 0).then_some(self.second_began + SECOND_MS)
    }
}

/// Lets one log line through in a second.
#[derive(Debug, Default)]
pub struct OncePerSecond {
    last: Option<Millis>,
}

impl OncePerSecond {
    pub fn allows(&mut self, now: Millis) -> bool {
        let allowed = self.last.is_none_or(|last| now >= last + SECOND_MS);
        if allowed {
            self.last = Some(now);
        }
        allowed
    }
}

fn kind(event: &Event) -> usize {
    match event {
        Event::Connected { .. } => 0,
        Event::Closed { reason: CloseReason::ByClient(_) | CloseReason::ConnectionLost, .. } => 1,
        Event::Closed { .. } => 2,
        Event::Dropped { .. } => 3,
        Event::SessionExpired { .. } => 4,
        Event::BoundReached { .. } => 5,
        Event::Denied { .. } => 6,
        Event::OverQuota { .. } => 7,
        Event::SessionLost { .. } => SESSION_LOST,
        Event::SubscriptionRefused { .. } => SUBSCRIPTION_REFUSED,
    }
}

/// Whether the log has a line for such an event at all: what it does not have cannot be too much.
fn is_wanted(event: &Event) -> bool {
    match event {
        Event::Connected { .. }
        | Event::Closed { reason: CloseReason::ByClient(_) | CloseReason::ConnectionLost, .. } => {
            tracing::enabled!(Level::INFO)
        }
        Event::SessionExpired { .. } | Event::SessionLost { .. } => tracing::enabled!(Level::DEBUG),
        Event::Closed { .. }
        | Event::Dropped { .. }
        | Event::BoundReached { .. }
        | Event::Denied { .. }
        | Event::SubscriptionRefused { .. }
        | Event::OverQuota { .. } => {
            tracing::enabled!(Level::WARN)
        }
    }
}

fn write_line(shard: u8, event: &Event) {
    match event {
        Event::Connected { client_id, address, user_name, version, clean_start, session_present, keep_alive_s } => {
            info!(
                shard,
                client_id, %address, user_name, %version, clean_start, session_present, keep_alive_s, "client connected"
            )
        }
        Event::Closed { client_id, address, reason } => match reason {
            CloseReason::ByClient(code) => info!(shard, client_id, %address, ?code, "client disconnected"),
            CloseReason::ConnectionLost => info!(shard, client_id, %address, "connection lost"),
            CloseReason::Violation(violation) => {
                warn!(shard, client_id, %address, clause = violation.clause(), "client closed: {violation}");
            }
            CloseReason::ByServer(code) => warn!(shard, client_id, %address, ?code, "client closed by the server"),
            CloseReason::Denied(denial) => warn!(shard, client_id, %address, denial = denial.name(), "client denied"),
            CloseReason::HandshakeTimeout => warn!(shard, %address, "no CONNECT in time"),
        },
        Event::Denied { client_id, address, user_name, denial } => {
            warn!(shard, client_id, user_name, %address, denial = denial.name(), "client not let in");
        }
        Event::OverQuota { client_id, quota } => warn!(shard, client_id, quota, "client sends more than it may"),
        Event::SubscriptionRefused { client_id, filter, reason, why, others } => {
            warn!(shard, client_id, filter, ?reason, others, "subscription refused: {why}");
        }
        Event::Dropped { client_id, reason, topic } => {
            warn!(shard, client_id, reason = reason.name(), topic, "message dropped; further ones are only counted");
        }
        Event::SessionExpired { client_id } => debug!(shard, client_id, "session expired"),
        Event::SessionLost { client_id, undelivered, dropped } => {
            debug!(shard, client_id, undelivered, dropped, "session ended with messages lost");
        }
        Event::BoundReached { client_id, key } => warn!(shard, client_id, key, "a bound was reached"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_second_passes() {
        let mut line = OncePerSecond::default();
        let allowed: Vec<Millis> = (0..2_500).filter(|&now| line.allows(now)).collect();
        assert_eq!(allowed, [0, 1_000, 2_000]);
    }

    #[test]
    fn lines_over_the_rate_are_counted_and_a_new_second_starts_anew() {
        let counter = Counter::default();
        let event = Event::BoundReached { client_id: "a".into(), key: "sessions_max" };
        let sink = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        tracing::subscriber::with_default(sink, || {
            let mut log = EventLog::new(0);
            for _ in 0..limits::LOG_LINES_PER_SECOND + 5 {
                log.write(&event, 10, &counter);
            }
            assert_eq!(counter.get(), 5);
            assert_eq!(log.next_deadline(), Some(SECOND_MS));
            log.write(&event, 1_010, &counter);
            assert_eq!(counter.get(), 5);
            assert_eq!(log.next_deadline(), None);
        });
    }

    #[test]
    fn what_the_log_does_not_have_is_not_too_much() {
        let counter = Counter::default();
        let event = Event::SessionExpired { client_id: "a".into() };
        let sink = tracing_subscriber::fmt().with_writer(std::io::sink).with_max_level(Level::WARN).finish();
        tracing::subscriber::with_default(sink, || {
            let mut log = EventLog::new(0);
            (0..limits::LOG_LINES_PER_SECOND + 5).for_each(|_| log.write(&event, 10, &counter));
            assert_eq!(counter.get(), 0);
        });
    }
}
