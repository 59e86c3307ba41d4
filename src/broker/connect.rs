//! CONNECT (section 3.1): the client is admitted or refused, gets its session, and CONNACK says what it can expect.

use rand::RngCore;

use super::home::{hash, shard_of};
use super::{CloseReason, ConnectionId, Event, NEVER, STORE_KEYS, Shard, client_hash_of};
use crate::access::Denial;
use crate::codec::encode;
use crate::codec::frame::Frame;
use crate::codec::{ConnAck, ConnAckProperties, Connect, Qos, ReasonCode, Version, Violation};
use crate::connection::{AliasesOut, Phase};
use crate::routing::SessionKey;
use crate::session::Session;

/// Why a client was not admitted.
pub(super) struct Refused {
    pub reason: ReasonCode,
    pub why: &'static str,
}

/// Bytes of randomness in an assigned client id.
const ASSIGNED_ID_BYTES: usize = 12;

impl Shard {
    /// The first packet of a connection.
    pub(super) fn handle_connect(&mut self, id: ConnectionId, packet: &Connect<'_>, frame: Frame<'_>) {
        let Some(connection) = self.connection_mut(id) else { return };
        connection.version = packet.version;
        connection.bridge = packet.bridge;
        connection.packet_size_max = packet.properties.packet_size_max.unwrap_or(u32::MAX);
        connection.problem_information = packet.properties.request_problem_information.unwrap_or(true);
        let over_limit = connection.identity.as_ref().is_some_and(|identity| identity.over_limit);
        if let Err(refused) = self.check_connect(packet, over_limit) {
            return self.refuse(id, refused);
        }
        if self.is_banned(packet.client_id, packet.user_name) {
            return self.deny(id, packet, Denial::Banned);
        }
        match packet.properties.authentication_method {
            Some(method) => self.begin_authentication(id, packet, method, frame),
            None => self.log_in(id, packet, frame),
        }
    }

    fn check_connect(&mut self, packet: &Connect<'_>, over_limit: bool) -> Result<(), Refused> {
        if self.shutting_down {
            // 0x8B is no reason of a CONNACK (section 3.2.2.2).
            return Err(Refused { reason: ReasonCode::ServerUnavailable, why: "the server is shutting down" });
        }
        if over_limit {
            self.count_bound(packet.client_id, "runtime.connections_max");
            return Err(Refused {
                reason: ReasonCode::QuotaExceeded,
                why: "the server has as many connections as it can",
            });
        }
        if packet.client_id.is_empty() {
            // MQTT 3.1 has no empty client ids; 3.1.1 allows them with Clean Session only ([MQTT-3.1.3-7], [MQTT-3.1.3-8]).
            let is_allowed = match packet.version {
                Version::V3_1 => false,
                Version::V3_1_1 => packet.clean_start,
                Version::V5_0 => true,
            };
            if !is_allowed || !self.settings.empty_client_id_allowed {
                let why = "the client identifier must not be empty";
                return Err(Refused { reason: ReasonCode::ClientIdentifierNotValid, why });
            }
        }
        if packet.client_id.len() > self.settings.topic_length_max {
            return Err(Refused {
                reason: ReasonCode::ClientIdentifierNotValid,
                why: "the client identifier is too long",
            });
        }
        if let Some(will) = &packet.will {
            if will.qos > self.settings.maximum_qos {
                let why = "the will's QoS is above the server's Maximum QoS";
                return Err(Refused { reason: ReasonCode::QosNotSupported, why });
            }
            if will.retain && !self.settings.retain_available {
                let why = "the server does not retain messages";
                return Err(Refused { reason: ReasonCode::RetainNotSupported, why });
            }
            if self.check_topic_bounds(will.topic).is_err() {
                let why = "the will's topic is too long or has too many levels";
                return Err(Refused { reason: ReasonCode::TopicNameInvalid, why });
            }
            let is_checked = self.settings.payload_format_checked && will.properties.payload_is_utf8;
            if is_checked && simdutf8::basic::from_utf8(will.payload).is_err() {
                let why = "the will's payload is declared UTF-8 and is not";
                return Err(Refused { reason: ReasonCode::PayloadFormatInvalid, why });
            }
        }
        Ok(())
    }

    /// The client is who it says it is: it gets its session and its CONNACK.
    pub(super) fn admit(&mut self, id: ConnectionId, packet: &Connect<'_>, authentication_data: Option<&[u8]>) {
        let assigned = packet.client_id.is_empty().then(|| self.assign_client_id());
        let client_id = assigned.as_deref().unwrap_or(packet.client_id);
        let settings = self.settings.clone();
        let (expiry_s, announced_expiry_s) = self.session_expiry(packet);
        let (keep_alive_s, server_keep_alive_s) = self.keep_alive(packet);
        let response_information = match &settings.response_information {
            Some(prefix) if packet.properties.request_response_information => Some(format!("{prefix}{client_id}")),
            _ => None,
        };
        let properties = ConnAckProperties {
            session_expiry_s: announced_expiry_s,
            receive_maximum: (settings.receive_maximum < u16::MAX).then_some(settings.receive_maximum),
            maximum_qos: (settings.maximum_qos < Qos::ExactlyOnce).then_some(settings.maximum_qos as u8),
            retain_available: (!settings.retain_available).then_some(false),
            packet_size_max: Some(settings.packet_size_max),
            assigned_client_id: assigned.as_deref(),
            topic_alias_max: (settings.topic_alias_max > 0).then_some(settings.topic_alias_max),
            wildcard_subscription_available: (!settings.wildcard_subscription_available).then_some(false),
            subscription_identifiers_available: (!settings.subscription_identifiers_available).then_some(false),
            shared_subscription_available: (!settings.shared_subscription_available).then_some(false),
            server_keep_alive_s,
            response_information: response_information.as_deref(),
            authentication_method: packet.properties.authentication_method,
            authentication_data,
            ..ConnAckProperties::default()
        };
        let mut connack = ConnAck { session_present: false, reason: ReasonCode::Success, properties };
        if !self.connack_fits(id, &connack) {
            let why = "the CONNACK is larger than the client's Maximum Packet Size";
            return self.refuse(id, Refused { reason: ReasonCode::PacketTooLarge, why });
        }
        let kept_before = self.durability.kept;
        let (key, session_present) = match self.take_session(client_id, packet.clean_start, expiry_s) {
            Ok(taken) => taken,
            Err(refused) => return self.refuse(id, refused),
        };
        connack.session_present = session_present;
        if self.settings.persistence && expiry_s != 0 && self.store_id(key) == 0 {
            let store_id = self.next_stamp();
            if let Some(session) = self.session_mut(key) {
                session.store_id = store_id;
            }
        }
        let will = packet.will.as_ref().map(|will| self.will_from(will, hash(&self.settings, client_id)));
        let Some(session) = self.session_mut(key) else { return };
        session.connection = Some(id);
        session.expiry_s = expiry_s;
        session.expires_at = NEVER;
        session.will = will;
        session.clean_start = packet.clean_start;
        session.drops_reported = 0;
        let timer = session.timer.take();
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }

        self.enter_phase(id, Phase::Open(key));
        let connected_at_s = u32::try_from(self.now / 1_000).unwrap_or(u32::MAX);
        let timer = self.connection_mut(id).and_then(|connection| {
            connection.connected_at_s = connected_at_s;
            let receive_maximum = packet.properties.receive_maximum.unwrap_or(u16::MAX);
            connection.send_window = receive_maximum.min(settings.in_flight_max);
            connection.keep_alive_s = keep_alive_s;
            let aliases = packet.properties.topic_alias_max.unwrap_or(0).min(settings.topic_alias_out_max);
            connection.aliases_out = (aliases > 0).then(|| Box::new(AliasesOut::new(aliases, settings.hash_seed)));
            connection.timer.take()
        });
        if let Some(timer) = timer {
            self.wheel.cancel(timer);
        }
        self.arm_connection_timer(id);
        self.grant_permissions(id, key);
        self.install_meter(id);
        self.keep_session(key);
        // A client that comes back must reach what waits for it also while the store does not accept.
        if self.durability.accepting || !session_present {
            self.cork(id, self.gate_since(kept_before));
        }
        self.write(id, |connection, out| {
            encode::connack(out, connection.version, &connack, connection.packet_size_max);
        });
        self.counters.connects_accepted += 1;
        if let Some(connection) = self.connection(id) {
            let (address, version) = (connection.address(), connection.version);
            let (client_id, clean_start) = (client_id.to_owned(), packet.clean_start);
            let user_name = connection.identity.as_ref().and_then(|identity| identity.user_name.as_deref());
            let user_name = user_name.map(str::to_owned);
            self.event(Event::Connected {
                client_id,
                address,
                user_name,
                version,
                clean_start,
                session_present,
                keep_alive_s,
            });
        }
        self.return_to_groups(key);
        self.pump(key);
    }

    /// A client whose Maximum Packet Size is too small even for its CONNACK cannot be served ([MQTT-3.1.2-24]).
    fn connack_fits(&self, id: ConnectionId, connack: &ConnAck<'_>) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        if connection.packet_size_max == u32::MAX {
            return true;
        }
        let mut bytes = Vec::new();
        encode::connack(&mut bytes, connection.version, connack, connection.packet_size_max);
        bytes.len() <= connection.packet_size_max as usize
    }

    /// The client's session, an earlier one if there is one and the client wants it; true if it is an earlier one. An earlier
    /// connection of the session ends here ([MQTT-3.1.4-3]).
    fn take_session(
        &mut self,
        client_id: &str,
        clean_start: bool,
        expiry_s: u32,
    ) -> Result<(SessionKey, bool), Refused> {
        let client_hash = hash(&self.settings, client_id);
        if let Some(key) = self.find_session(client_id, client_hash) {
            match self.session(key).and_then(|session| session.connection) {
                Some(earlier) => {
                    self.counters.sessions_taken_over += 1;
                    let why = "another connection uses this client identifier";
                    self.close(earlier, CloseReason::ByServer(ReasonCode::SessionTakenOver), Some(why));
                }
                // The CONNECT may have been read before a timer that was due fired.
                None => self.settle_session_timer(key),
            }
        }
        // The earlier session may have ended with its connection.
        if let Some(key) = self.find_session(client_id, client_hash) {
            if !clean_start {
                return Ok((key, true));
            }
            self.end_session(key);
        }
        if self.settings.persistence && expiry_s != 0 && !self.durability.accepting {
            self.count_bound(client_id, STORE_KEYS);
            return Err(Refused { reason: ReasonCode::QuotaExceeded, why: "the server cannot keep a session now" });
        }
        if self.sessions.len() >= self.settings.sessions_max.div_ceil(self.shards) {
            self.count_bound(client_id, "limits.sessions_max");
            return Err(Refused {
                reason: ReasonCode::QuotaExceeded,
                why: "the server has as many sessions as it can",
            });
        }
        let generation = self.next_generation();
        let key = SessionKey(self.sessions.insert(Session::new(generation, client_id, client_hash)));
        let sessions = &self.sessions;
        self.session_by_client.insert_unique(client_hash, key, |key| client_hash_of(sessions, *key));
        Ok((key, false))
    }

    pub(super) fn find_session(&self, client_id: &str, client_hash: u64) -> Option<SessionKey> {
        let is_client = |key: &SessionKey| self.session(*key).is_some_and(|session| *session.client_id == *client_id);
        self.session_by_client.find(client_hash, is_client).copied()
    }

    /// A client id that no client has, and whose home is this shard.
    fn assign_client_id(&mut self) -> String {
        loop {
            let mut bytes = [0; ASSIGNED_ID_BYTES];
            self.random.fill_bytes(&mut bytes);
            let id = bytes.iter().fold(String::from("auto-"), |id, byte| id + &format!("{byte:02x}"));
            let client_hash = hash(&self.settings, &id);
            let is_home = shard_of(client_hash, self.shards) == self.own;
            if is_home && self.find_session(&id, client_hash).is_none() {
                return id;
            }
        }
    }

    /// The Session Expiry Interval in seconds, and what CONNACK must say of it ([MQTT-3.2.2.3.2]).
    fn session_expiry(&self, packet: &Connect<'_>) -> (u32, Option<u32>) {
        let maximum_s = self.settings.session_expiry_max_s;
        if packet.version < Version::V5_0 {
            let expiry_s = if packet.clean_start { 0 } else { self.settings.session_expiry_v3_s.min(maximum_s) };
            return (expiry_s, None);
        }
        let wanted_s = packet.properties.session_expiry_s.unwrap_or(0);
        let expiry_s = wanted_s.min(maximum_s);
        (expiry_s, (expiry_s != wanted_s).then_some(expiry_s))
    }

    /// The keep-alive in seconds, and Server Keep Alive where it is not what the client asked for ([MQTT-3.2.2-21]).
    fn keep_alive(&self, packet: &Connect<'_>) -> (u16, Option<u16>) {
        let (wanted_s, maximum_s) = (packet.keep_alive_s, self.settings.keep_alive_max_s);
        if maximum_s == 0 || (wanted_s != 0 && wanted_s <= maximum_s) {
            return (wanted_s, None);
        }
        (maximum_s, (packet.version == Version::V5_0).then_some(maximum_s))
    }

    /// Answers a CONNECT with an error and closes. Before 5.0 an error without a return code is a close alone.
    pub(super) fn refuse(&mut self, id: ConnectionId, refused: Refused) {
        self.counters.connects_refused += 1;
        self.write_refusal(id, refused.reason, refused.why);
        self.close(id, CloseReason::ByServer(refused.reason), None);
    }

    /// The handshake broke the protocol. Only a CONNECT whose version is known, or that asks for a version that we do not
    /// have, gets an answer ([MQTT-3.1.2-2], [MQTT-3.1.4-1]).
    pub(super) fn refuse_malformed(&mut self, id: ConnectionId, violation: Violation) {
        self.counters.connects_refused += 1;
        let is_known = self.connection(id).is_some_and(|connection| connection.phase == Phase::Authenticating);
        if is_known || violation == Violation::ProtocolVersionUnsupported {
            self.write_refusal(id, violation.reason(), &violation.to_string());
        }
        self.close(id, CloseReason::Violation(violation), None);
    }

    pub(super) fn write_refusal(&mut self, id: ConnectionId, reason: ReasonCode, why: &str) {
        let properties = ConnAckProperties { reason_string: Some(why), ..ConnAckProperties::default() };
        let connack = ConnAck { session_present: false, reason, properties };
        let is_told = |version| version == Version::V5_0 || reason.connect_return_code().is_some();
        if self.connection(id).is_some_and(|connection| is_told(connection.version)) {
            self.write(id, |connection, out| {
                encode::connack(out, connection.version, &connack, connection.packet_size_max);
            });
        }
    }
}
