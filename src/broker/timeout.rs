//! What happens because time passes.

use super::timer_key::{TimerKey, TimerTarget};
use super::{CloseReason, ConnectionId, Millis, Shard};
use crate::codec::ReasonCode;
use crate::connection::Phase;

impl Shard {
    /// `next_deadline` has come, or `has_work` was true.
    pub fn handle_timeout(&mut self, now: Millis) {
        self.now = now;
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for key in due.drain(..) {
            match key.target() {
                TimerTarget::Connection(id) => self.handle_connection_timer(id),
                TimerTarget::Session(key, generation) => self.handle_session_timer(key, generation),
            }
        }
        self.due = due;
        self.run_local_replays();
    }

    fn handle_connection_timer(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        connection.timer = None;
        match connection.phase {
            Phase::Handshake | Phase::Authenticating => {
                self.counters.handshake_timeouts += 1;
                self.close(id, CloseReason::HandshakeTimeout, None);
            }
            Phase::Open(key) => {
                if connection.silence_ends_at() <= self.now {
                    self.counters.keep_alive_timeouts += 1;
                    return self.close(id, CloseReason::ByServer(ReasonCode::KeepAliveTimeout), None);
                }
                if let Some(session) = self.session_mut(key) {
                    session.trim();
                }
                self.arm_keep_alive(id);
            }
            Phase::Closing => self.finish_close(id),
        }
    }

    /// One timer watches a connection's silence. A packet only stamps the connection; the timer looks at the stamp when
    /// it fires and is set anew ([MQTT-3.1.2-22]).
    pub(super) fn arm_keep_alive(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        if connection.silence_max_ms == 0 {
            return;
        }
        let timer = self.wheel.insert(connection.silence_ends_at(), TimerKey::connection(id));
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = Some(timer);
        }
    }
}
