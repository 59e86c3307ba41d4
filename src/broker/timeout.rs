//! What happens because time passes.

use super::timer_key::{TimerKey, TimerTarget};
use super::{CloseReason, ConnectionId, Millis, Shard};
use crate::access::{Denial, Verdict};
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
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else { return };
        connection.timer = None;
        match connection.phase {
            Phase::Authenticating if connection.identity.as_ref().is_some_and(|identity| identity.is_asked) => {
                self.handle_verdict(id, Verdict::Denied(Denial::Unavailable), self.now);
            }
            Phase::Handshake | Phase::Authenticating => {
                self.counters.handshake_timeouts += 1;
                self.close(id, CloseReason::HandshakeTimeout, None);
            }
            Phase::Open(key) => {
                let is_due = |deadline: Option<Millis>| deadline.is_some_and(|deadline| deadline <= now);
                if is_due(connection.valid_until()) {
                    let why = "what the client was let in with has expired";
                    return self.close(id, CloseReason::ByServer(ReasonCode::NotAuthorized), Some(why));
                }
                if is_due(connection.resume_at()) {
                    return self.resume_reading(id);
                }
                if is_due(connection.silence_ends_at()) {
                    self.counters.keep_alive_timeouts += 1;
                    return self.close(id, CloseReason::ByServer(ReasonCode::KeepAliveTimeout), None);
                }
                if let Some(session) = self.session_mut(key) {
                    session.trim();
                }
                self.arm_connection_timer(id);
            }
            Phase::Closing => self.finish_close(id),
        }
    }

    /// One timer watches a connection's silence, and whatever else ends or resumes it. A packet only stamps the connection; the
    /// timer looks at the stamp when it fires and is set anew ([MQTT-3.1.2-22]).
    pub(super) fn arm_connection_timer(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id) else { return };
        let deadlines = [connection.silence_ends_at(), connection.valid_until(), connection.resume_at()];
        let deadline = deadlines.into_iter().flatten().min();
        let earlier = connection.timer.take();
        if let Some(earlier) = earlier {
            self.wheel.cancel(earlier);
        }
        let timer = deadline.map(|deadline| self.wheel.insert(deadline, TimerKey::connection(id)));
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = timer;
        }
    }
}
