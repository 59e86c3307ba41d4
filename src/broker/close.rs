//! Connections end here, whoever ends them, and sessions with them or after them.

use super::batch::StoreOp;
use super::counters::state;
use super::{CloseReason, ConnectionId, DropReason, Event, Millis, NEVER, Shard, TimerKey, client_hash_of};
use crate::codec::encode;
use crate::codec::{Disconnect, ReasonCode, UserProperties, Version, Violation};
use crate::connection::{Connection, Phase};
use crate::limits::LINGER_MS;
use crate::routing::SessionKey;
use crate::session::{Content, Delivery};

impl Shard {
    /// DISCONNECT (section 3.14).
    pub(super) fn handle_disconnect(&mut self, id: ConnectionId, key: SessionKey, packet: &Disconnect<'_>) {
        let Some(session) = self.session_mut(key) else { return };
        if let Some(expiry_s) = packet.session_expiry_s {
            if session.expiry_s == 0 && expiry_s != 0 {
                return self.fail(id, Violation::SessionExpiryAfterZero);
            }
            let expiry_s = expiry_s.min(self.settings.session_expiry_max_s);
            if let Some(session) = self.session_mut(key) {
                session.expiry_s = expiry_s;
            }
        }
        // A DISCONNECT takes the will away ([MQTT-3.14.4-3]), unless it asks for it (0x04) or says that something is wrong.
        if packet.reason == ReasonCode::Success
            && let Some(session) = self.session_mut(key)
        {
            session.will = None;
        }
        self.close(id, CloseReason::ByClient(packet.reason), None);
    }

    /// The peer closed, or the transport failed. The connection's id is dead afterwards; a `Transmit` that was on its way is the driver's to drop.
    pub fn handle_closed(&mut self, id: ConnectionId, now: Millis) {
        self.now = now;
        if self.connection(id).is_some_and(|connection| connection.phase != Phase::Closing) {
            self.close(id, CloseReason::ConnectionLost, None);
        }
        if self.connection(id).is_some() {
            self.forget_connection(id);
        } else {
            // Nothing was left to send, so `close` has finished already; the driver knows that the transport is gone.
            self.to_close.retain(|(closing, _)| *closing != id);
        }
    }

    /// The server leaves: every client gets DISCONNECT 0x8B (5.0) or is closed; no new ones are taken.
    pub fn handle_shutdown(&mut self, now: Millis) {
        self.now = now;
        self.shutting_down = true;
        let open: Vec<ConnectionId> = self
            .connections
            .iter()
            .map(|(slot, connection)| ConnectionId { slot, generation: connection.generation })
            .collect();
        for id in open {
            self.close(id, CloseReason::ByServer(ReasonCode::ServerShuttingDown), None);
        }
    }

    /// Ends a connection: the client is told (5.0), the session goes on without it or ends, and the transport is
    /// closed when the last bytes have gone.
    pub(super) fn close(&mut self, id: ConnectionId, reason: CloseReason, reason_string: Option<&str>) {
        let Some(connection) = self.connection(id) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        let (session, version) = (connection.session(), connection.version);
        let code = match reason {
            CloseReason::ByServer(code) => Some(code),
            CloseReason::Violation(violation) => Some(violation.reason()),
            CloseReason::ByClient(_)
            | CloseReason::Denied(_)
            | CloseReason::ConnectionLost
            | CloseReason::HandshakeTimeout => None,
        };
        if let (Some(code), Some(_), Version::V5_0) = (code, session, version) {
            let packet = Disconnect {
                reason: code,
                session_expiry_s: None,
                reason_string,
                server_reference: None,
                user_properties: UserProperties::default(),
            };
            self.write(id, |connection, out| encode::disconnect(out, version, &packet, connection.packet_size_max));
        }
        if !matches!(reason, CloseReason::Denied(_)) {
            let client_id = self.client_id_of(id);
            self.report_closed(id, client_id, reason);
        }
        self.begin_closing(id);
        if let Some(session) = session {
            self.detach(session);
        }
        let Some(connection) = self.connection(id) else { return };
        if connection.output.is_empty() && !connection.sending {
            self.finish_close(id);
        }
    }

    /// From here on nothing is read from the connection, and it has a bounded time to take its last bytes.
    fn begin_closing(&mut self, id: ConnectionId) {
        let timer = self.wheel.insert(self.now + LINGER_MS, TimerKey::connection(id));
        self.enter_phase(id, Phase::Closing);
        let Some(connection) = self.connection_mut(id) else { return };
        connection.is_halted = true;
        let partial = std::mem::take(&mut connection.partial);
        connection.aliases_in = None;
        connection.aliases_out = None;
        let identity = connection.identity.take();
        if let Some(earlier) = connection.timer.replace(timer) {
            self.wheel.cancel(earlier);
        }
        self.held_bytes -= partial.size() + identity.as_ref().map_or(0, |identity| identity.held_bytes());
        if let (Some(identity), Some(users)) = (identity.filter(|it| it.is_user_counted), &self.user_connections) {
            users.leave(identity.user_name.as_deref().unwrap_or_default());
        }
    }

    /// Closes the connections that could not be sent an answer for its size.
    pub(super) fn close_unanswerable(&mut self) {
        while let Some(id) = self.unanswerable.pop() {
            let why = "an answer is larger than the client's Maximum Packet Size";
            self.close(id, CloseReason::ByServer(ReasonCode::PacketTooLarge), Some(why));
        }
    }

    /// The driver is to close the transport.
    pub(super) fn finish_close(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connection(id) {
            self.to_close.push_back((id, connection.transport));
            self.forget_connection(id);
        }
    }

    fn forget_connection(&mut self, id: ConnectionId) {
        if self.connection(id).is_none() {
            return;
        }
        let Some(connection) = self.connections.remove(id.slot) else { return };
        let Connection { output, sending_len, partial, timer, phase, .. } = connection;
        self.counters.connections[state(phase)] -= 1;
        self.held_bytes -= output.len() + sending_len as usize + partial.size();
        self.buffers.keep(output.into_buffer());
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
    }

    /// The session has lost its connection: its will is published or gets its time, and so does the session.
    fn detach(&mut self, key: SessionKey) {
        let now = self.now;
        let Some(session) = self.session_mut(key) else { return };
        session.connection = None;
        self.followed.forget(key);
        let Some(session) = self.session_mut(key) else { return };
        if let Some(flow) = &mut session.flow {
            flow.in_flight.suspend();
        }
        session.trim();
        self.leave_groups_for_now(key);
        let Some(session) = self.session_mut(key) else { return };
        let expiry_s = session.expiry_s;
        if expiry_s == 0 {
            return self.end_session(key);
        }
        session.expires_at = if expiry_s == u32::MAX { NEVER } else { now + u64::from(expiry_s) * 1_000 };
        let due_now = session.will.as_ref().is_some_and(|will| will.delay_s == 0);
        if due_now {
            self.publish_will(key);
        } else {
            if let Some(will) = session.will.as_mut() {
                will.due_at = Some(now + u64::from(will.delay_s) * 1_000);
            }
            self.keep_session(key);
        }
        self.arm_session_timer(key);
    }

    /// One timer for what comes first: the will, or the session's end.
    pub(super) fn arm_session_timer(&mut self, key: SessionKey) {
        let Some(session) = self.session_mut(key) else { return };
        let will_at = session.will.as_ref().and_then(|will| will.due_at);
        let deadline = Some(will_at.unwrap_or(NEVER).min(session.expires_at)).filter(|deadline| *deadline != NEVER);
        let (earlier, generation) = (session.timer.take(), session.generation);
        if let Some(earlier) = earlier {
            self.wheel.cancel(earlier);
        }
        let timer = deadline.map(|deadline| self.wheel.insert(deadline, TimerKey::session(key, generation)));
        if let Some(session) = self.session_mut(key) {
            session.timer = timer;
        }
    }

    /// Does now what the timer of a session without a connection would do now.
    pub(super) fn settle_session_timer(&mut self, key: SessionKey) {
        let Some(session) = self.session_mut(key) else { return };
        let (timer, generation) = (session.timer.take(), session.generation);
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
        self.handle_session_timer(key, generation);
    }

    /// The time of a session without a connection, or of its will, has come.
    pub(super) fn handle_session_timer(&mut self, key: SessionKey, generation: u32) {
        let now = self.now;
        let Some(session) = self.session_mut(key).filter(|session| session.generation == generation) else { return };
        session.timer = None;
        let will_is_due = session.will.as_ref().and_then(|will| will.due_at).is_some_and(|at| at <= now);
        if session.expires_at <= now {
            let client_id = session.client_id.to_string();
            self.counters.sessions_expired += 1;
            self.event(Event::SessionExpired { client_id });
            return self.end_session(key);
        }
        if will_is_due {
            self.publish_will(key);
        }
        self.arm_session_timer(key);
    }

    /// Ends a session without a connection: its will is published at the latest now ([MQTT-3.1.2-8]), its subscriptions go, and what it
    /// was still to get goes to other members of its shared subscriptions or is counted as dropped.
    pub(super) fn end_session(&mut self, key: SessionKey) {
        let store_id = self.store_id(key);
        // What goes to members on other shards is there before it is gone here.
        let began_ticket = store_id != 0 && self.begin_ticket();
        if self.session(key).is_some_and(|session| session.will.is_some()) {
            self.publish_will(key);
        }
        let Some(session) = self.session_mut(key) else { return };
        debug_assert!(session.connection.is_none(), "a session ends without a connection");
        let subscriptions = std::mem::take(&mut session.subscriptions);
        let timer = session.timer.take();
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
        for filter in subscriptions.iter() {
            self.remove_subscription(key, filter);
        }
        let spilled =
            self.session(key).and_then(|session| session.flow.as_ref()).map_or(0, |flow| flow.spilled.messages);
        self.counters.dropped[DropReason::SessionEnded as usize] += spilled;
        let undelivered = self.take_undelivered(key);
        for (delivery, was_sent) in undelivered {
            self.held_bytes -= delivery.message.release();
            match &delivery.group {
                // QoS 2 that was sent must not reach anybody else ([MQTT-4.8.2-5]).
                Some(group) if !(was_sent && delivery.qos as u8 == 2) => {
                    let group = group.clone();
                    self.publish_to_group(&group, &delivery.message, 0);
                }
                _ if delivery.qos as u8 > 0 || !was_sent => self.count_drop(None, DropReason::SessionEnded),
                _ => {}
            }
        }
        if store_id != 0 {
            self.keep(StoreOp::EndSession { id: store_id });
        }
        if began_ticket {
            self.end_ticket(false);
        }
        let Some(session) = self.sessions.remove(key.0) else { return };
        self.drops.forget(key);
        let sessions = &self.sessions;
        let is_it = |known: &SessionKey| *known == key;
        self.session_by_client.remove(session.client_hash, is_it, |key| client_hash_of(sessions, *key));
    }

    /// Takes all messages that the session has not had, or not acknowledged: oldest first, and whether each was sent.
    fn take_undelivered(&mut self, key: SessionKey) -> Vec<(Delivery, bool)> {
        let Some(session) = self.sessions.get_mut(key.0) else { return Vec::new() };
        self.counters.leave_flow(session.flow.as_deref());
        let mut undelivered = Vec::new();
        if let Some(mut flow) = session.flow.take() {
            let ids: Vec<u16> = flow.in_flight.iter().map(|(packet_id, _)| packet_id).collect();
            let slots = ids.iter().filter_map(|id| flow.in_flight.settle(*id));
            undelivered.extend(slots.filter_map(|content| match content {
                Content::Delivery(delivery) => Some((delivery, true)),
                Content::Received(_) => None,
            }));
            undelivered.extend(std::iter::from_fn(|| flow.queue.pop()).map(|delivery| (delivery, false)));
        }
        if let Some(replays) = session.replays.take() {
            undelivered.extend(replays.held.into_iter().map(|delivery| (delivery, false)));
        }
        undelivered
    }
}
