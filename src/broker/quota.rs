//! What one client may send. One that sends more is not read for a while, or loses its connection.

use super::{CloseReason, ConnectionId, Event, Shard};
use crate::access::OverQuota;
use crate::codec::ReasonCode;
use crate::connection::Phase;
use crate::connection::meter::{Meter, Reading};
use crate::limits::QUOTA_PAUSE_MIN_MS;

impl Shard {
    /// Counts from now on what the connection sends, as its listener demands.
    pub(super) fn install_meter(&mut self, id: ConnectionId) {
        let now = self.now;
        let Some(connection) = self.connection(id) else { return };
        let meter = Meter::new(&self.listener(connection.listener).policy.quotas, now);
        let Some(connection) = self.connection_mut(id) else { return };
        connection.is_metered = meter.is_some();
        if meter.is_none() && connection.identity.is_none() {
            return;
        }
        let earlier = std::mem::replace(&mut connection.identity.get_or_insert_default().meter, meter);
        if earlier.is_some_and(|earlier| earlier.resume_at.is_some()) {
            self.resume_reading(id);
        }
    }

    /// Counts bytes and handles them, unless they are too many; returns how many at the end are left.
    #[cold]
    pub(super) fn handle_metered_bytes(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let now = self.now;
        let Some(meter) = self.meter_mut(id) else { return 0 };
        if let Reading::Over { is_new } = meter.count_bytes(bytes.len(), now) {
            self.handle_over_quota(id, "bytes", is_new);
        }
        self.handle_bytes(id, bytes, false)
    }

    /// A PUBLISH has come; true if it is to be handled.
    #[cold]
    pub(super) fn count_message(&mut self, id: ConnectionId) -> bool {
        let now = self.now;
        let Some(meter) = self.meter_mut(id) else { return true };
        match meter.count_message(now) {
            Reading::Within => true,
            Reading::Over { is_new } => {
                self.handle_over_quota(id, "messages", is_new);
                // One that must be paid back is handled all the same, and nothing behind it.
                self.connection(id).is_some_and(|connection| connection.phase != Phase::Closing)
            }
        }
    }

    fn handle_over_quota(&mut self, id: ConnectionId, quota: &'static str, is_new: bool) {
        if is_new {
            self.counters.quota_episodes += 1;
            let client_id = self.client_id_of(id);
            self.event(Event::OverQuota { client_id, quota });
        }
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else { return };
        let Some(meter) = connection.identity.as_mut().and_then(|identity| identity.meter.as_mut()) else { return };
        if meter.over == OverQuota::Disconnect {
            let why = "the client sends more than it may";
            return self.close(id, CloseReason::ByServer(ReasonCode::MessageRateTooHigh), Some(why));
        }
        meter.resume_at = Some(now.saturating_add(meter.debt_ms().max(QUOTA_PAUSE_MIN_MS)));
        connection.is_halted = true;
        self.pause(id, true);
        self.arm_connection_timer(id);
    }

    /// The client has paid back what it had sent too much, or need not: what was kept is handled, and it is read again. It
    /// could not be heard meanwhile, so its silence begins now.
    pub(super) fn resume_reading(&mut self, id: ConnectionId) {
        let now = self.now;
        if let Some(meter) = self.meter_mut(id) {
            meter.resume_at = None;
        }
        let Some(connection) = self.connection_mut(id) else { return };
        connection.last_packet_at = now;
        self.release(id);
        if self.connection(id).is_some_and(|connection| connection.phase != Phase::Closing) {
            self.arm_connection_timer(id);
        }
    }

    fn meter_mut(&mut self, id: ConnectionId) -> Option<&mut Meter> {
        self.connection_mut(id)?.identity.as_mut()?.meter.as_mut()
    }
}
