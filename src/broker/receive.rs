//! Bytes from a connection: found, decoded and passed on to the use case.

use bytes::Bytes;

use super::counters::state;
use super::{CloseReason, ConnectionId, Event, Incoming, Millis, Shard, TimerKey};
use crate::codec::encode;
use crate::codec::frame::{self, Frame};
use crate::codec::{Packet, ReasonCode, Version, Violation, decode};
use crate::connection::{Connection, Phase};
use crate::limits::SHARED_PAYLOAD_MIN;

/// Upper halves of these packets' first bytes (section 2.1.2).
const CONNECT_PACKET_TYPE: u8 = 1;
const PUBLISH_PACKET_TYPE: u8 = 3;
const PUBACK_PACKET_TYPE: u8 = 4;

impl Shard {
    /// A connection was accepted for this shard; its CONNECT must come in time.
    pub fn handle_connected(&mut self, incoming: Incoming, now: Millis) -> ConnectionId {
        self.now = now;
        let generation = self.next_generation();
        let connection = Connection::new(generation, incoming, now);
        self.counters.connections[state(connection.phase)] += 1;
        let id = ConnectionId { slot: self.connections.insert(connection), generation };
        let timer = self.wheel.insert(now + self.settings.handshake_time_max_ms, TimerKey::connection(id));
        if let Some(connection) = self.connection_mut(id) {
            connection.timer = Some(timer);
        }
        id
    }

    /// Bytes arrived. Takes all of them; keeps a copy of a packet that is not complete, and of what must wait.
    pub fn handle_received(&mut self, id: ConnectionId, bytes: &[u8], now: Millis) {
        self.now = now;
        self.counters.bytes_received += bytes.len() as u64;
        let left = self.handle_bytes(id, bytes, true);
        if left > 0 {
            self.hold(id, bytes.get(bytes.len() - left..).unwrap_or_default());
        }
    }

    /// Handles packet after packet until the connection is halted; returns how many bytes at the end are left then.
    /// `is_new`: they have not been counted yet.
    pub(super) fn handle_bytes(&mut self, id: ConnectionId, bytes: &[u8], is_new: bool) -> usize {
        let Some(connection) = self.connection(id) else { return 0 };
        if connection.is_metered && is_new {
            return self.handle_metered_bytes(id, bytes);
        }
        if connection.is_halted {
            return bytes.len();
        }
        let is_first = connection.phase == Phase::Handshake && connection.partial.is_empty();
        if is_first && bytes.first().is_some_and(|first| first >> 4 != CONNECT_PACKET_TYPE) {
            // Its length is not a packet's, so there is nothing to wait for: an HTTP request, a TLS handshake.
            self.fail(id, Violation::FirstPacketNotConnect);
            return 0;
        }
        let mut rest = bytes;
        if !connection.partial.is_empty() && !self.complete_partial(id, &mut rest) {
            return 0;
        }
        while let Some(connection) = self.connection(id) {
            if connection.is_halted {
                return rest.len();
            }
            match frame::find(rest, self.packet_size_max(connection)) {
                Ok(Some((frame, size))) => {
                    rest = rest.get(size..).unwrap_or_default();
                    self.handle_frame(id, frame, None);
                }
                Ok(None) => break,
                Err(violation) => {
                    self.fail(id, violation);
                    return 0;
                }
            }
        }
        if !rest.is_empty() {
            self.complete_partial(id, &mut rest);
        }
        self.check_output(id);
        0
    }

    /// The bound on a packet that a client may send now.
    fn packet_size_max(&self, connection: &Connection) -> u32 {
        match connection.phase {
            Phase::Open(_) => self.settings.packet_size_max,
            _ => self.settings.connect_size_max.min(self.settings.packet_size_max),
        }
    }

    /// Feeds the packet under way; handles it when it is complete. False when `rest` is used up or the connection is closing.
    fn complete_partial(&mut self, id: ConnectionId, rest: &mut &[u8]) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        if connection.phase == Phase::Closing {
            return false;
        }
        let packet_size_max = self.packet_size_max(connection);
        let Some(connection) = self.connection_mut(id) else { return false };
        let mut partial = std::mem::take(&mut connection.partial);
        let before = partial.size();
        let filled = partial.fill(rest, packet_size_max);
        self.held_bytes = self.held_bytes + partial.size() - before;
        match filled {
            Ok(true) => {
                self.held_bytes -= partial.size();
                let bytes = Bytes::from(partial.into_bytes());
                if let Ok(Some((frame, _))) = frame::find(&bytes, packet_size_max) {
                    self.handle_frame(id, frame, (bytes.len() >= SHARED_PAYLOAD_MIN).then_some(&bytes));
                }
                true
            }
            Ok(false) if self.held_bytes > self.settings.shard_bytes_max => {
                self.held_bytes -= partial.size();
                self.count_bound(&self.client_id_of(id), "limits.shard_bytes_max");
                self.close(id, CloseReason::ByServer(ReasonCode::ServerBusy), None);
                false
            }
            Ok(false) => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.partial = partial;
                }
                false
            }
            Err(violation) => {
                self.held_bytes -= partial.size();
                self.fail(id, violation);
                false
            }
        }
    }

    fn handle_frame(&mut self, id: ConnectionId, frame: Frame<'_>, shared: Option<&Bytes>) {
        let now = self.now;
        let Some(connection) = self.connection_mut(id) else { return };
        connection.last_packet_at = now;
        let (phase, version, is_metered) = (connection.phase, connection.version, connection.is_metered);
        self.counters.packets_received.count(frame.first_byte, frame.packet_size());
        if let Phase::Open(session) = phase {
            // The two packets that come most often do not pass through a `Packet`, which is as large as the largest.
            let handled = match frame.first_byte >> 4 {
                PUBLISH_PACKET_TYPE if is_metered && !self.count_message(id) => return,
                PUBLISH_PACKET_TYPE => {
                    decode::publish(frame, version).map(|publish| self.handle_publish(id, session, &publish, shared))
                }
                PUBACK_PACKET_TYPE => decode::puback(frame, version).map(|ack| self.handle_puback(id, session, &ack)),
                _ => return self.handle_rarer_frame(id, phase, version, frame),
            };
            return handled.unwrap_or_else(|violation| self.fail(id, violation));
        }
        self.handle_rarer_frame(id, phase, version, frame);
    }

    /// Any packet, but not PUBLISH and PUBACK of an open connection.
    fn handle_rarer_frame(&mut self, id: ConnectionId, phase: Phase, version: Version, frame: Frame<'_>) {
        let packet = match decode::decode(frame, version) {
            Ok(packet) => packet,
            Err(violation) => return self.fail(id, violation),
        };
        match (phase, packet) {
            (Phase::Open(session), Packet::PubRec(ack)) => self.handle_pubrec(id, session, &ack),
            (Phase::Open(session), Packet::PubRel(ack)) => self.handle_pubrel(id, session, &ack),
            (Phase::Open(session), Packet::PubComp(ack)) => self.handle_pubcomp(id, session, &ack),
            (Phase::Open(session), Packet::Subscribe(subscribe)) => self.handle_subscribe(id, session, &subscribe),
            (Phase::Open(session), Packet::Unsubscribe(unsubscribe)) => {
                self.handle_unsubscribe(id, session, &unsubscribe);
            }
            (Phase::Open(_), Packet::PingReq) => self.write(id, |_, out| encode::pingresp(out)),
            (Phase::Open(session), Packet::Disconnect(disconnect)) => self.handle_disconnect(id, session, &disconnect),
            (Phase::Open(_), Packet::Auth(auth)) => self.handle_reauthentication(id, &auth),
            (Phase::Handshake, Packet::Connect(connect)) => self.handle_connect(id, &connect, frame),
            (Phase::Authenticating, Packet::Auth(auth)) => self.handle_auth(id, &auth),
            (Phase::Authenticating, Packet::Disconnect(_)) => {
                self.close(id, CloseReason::ByClient(ReasonCode::Success), None);
            }
            (Phase::Closing, _) => {}
            (Phase::Handshake, _) => self.fail(id, Violation::FirstPacketNotConnect),
            (_, Packet::Connect(_)) => self.fail(id, Violation::SecondConnect),
            (_, _) => self.fail(id, Violation::ServerPacketFromClient),
        }
    }

    /// The client broke the protocol: it is told why, and loses its connection.
    pub(super) fn fail(&mut self, id: ConnectionId, violation: Violation) {
        self.counters.violations += 1;
        let Some(connection) = self.connection(id) else { return };
        match connection.phase {
            Phase::Closing => {}
            Phase::Handshake | Phase::Authenticating => self.refuse_malformed(id, violation),
            Phase::Open(_) => {
                self.close(id, CloseReason::Violation(violation), Some(&violation.to_string()));
            }
        }
    }

    /// The client id of an open connection, for events.
    pub(super) fn client_id_of(&self, id: ConnectionId) -> String {
        let session = self.connection(id).and_then(Connection::session).and_then(|key| self.session(key));
        session.map(|session| session.client_id.to_string()).unwrap_or_default()
    }

    /// The client does not read what it is sent: its acknowledgements alone have passed the bound of its output.
    fn check_output(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection(id) else { return };
        if connection.unsent() > self.settings.queued_bytes_max && connection.phase != Phase::Closing {
            let client_id = self.client_id_of(id);
            self.count_bound(&client_id, "limits.queued_bytes_max");
            self.close(id, CloseReason::ByServer(ReasonCode::QuotaExceeded), None);
        }
    }

    /// Reports the end of a connection.
    pub(super) fn report_closed(&mut self, id: ConnectionId, client_id: String, reason: CloseReason) {
        if let Some(connection) = self.connection(id) {
            let address = connection.address();
            self.event(Event::Closed { client_id, address, reason });
        }
    }
}
