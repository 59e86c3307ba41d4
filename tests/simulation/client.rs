//! A client that keeps to the specification and looks closely at what the server sends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::history::{Delivery, History, Key, Time, What};
use crate::wire::{self, Properties, Publish, Received, Value, Version, property};

/// What the world must know about a piece of written bytes when the server has got all of it.
#[derive(Clone, Copy, Debug)]
pub enum Marker {
    Message(Key),
    Disconnect,
}

/// How far the handshake of a message that this client published has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waits for PUBACK.
    Acknowledgement,
    /// Waits for PUBREC.
    Receipt,
    /// Waits for PUBCOMP.
    Completion,
}

/// Of the network connection only.
#[derive(Clone, Default)]
pub struct Connection {
    pub number: u32,
    pub link: usize,
    pub connected: bool,
    /// The session is known to be new, or known to have been kept.
    pub resumed: bool,
    pub buffer: Vec<u8>,
    pub clean_start: bool,
    pub session_expiry_s: u32,
    pub keep_alive_s: u16,
    pub receive_maximum: u16,
    pub packet_size_max: usize,
    pub topic_alias_max: u16,
    /// Topic aliases that the server has set.
    pub aliases_in: BTreeMap<u16, String>,
    pub aliases_out: BTreeMap<u16, String>,
    pub server_receive_maximum: u16,
    pub server_topic_alias_max: u16,
    /// Packet identifiers of PUBLISHes that this connection brought and that are not acknowledged to the end.
    pub in_flight: BTreeSet<u16>,
    pub pings: u32,
    pub last_sent: Time,
    pub disconnect_received: bool,
    /// The broker's end is gone with all that the broker knew; what it had sent may still come.
    pub broker_crashed: bool,
    /// Bytes not yet handed to the socket, with what they are.
    pub written: Vec<(Vec<u8>, Option<Marker>)>,
}

#[derive(Clone)]
pub struct Client {
    pub index: usize,
    pub version: Version,
    pub reading: bool,
    pub connection: Option<Connection>,
    pub sequence: u32,
    pub next_subscription_id: u32,
    next_packet_id: u16,
    /// Packet identifiers are used anew after so many.
    pub packet_id_max: u16,
    /// Published and not yet acknowledged, in the order of sending.
    pub outgoing: Vec<(u16, Key, Stage)>,
    /// QoS 2 from the server, not yet released, with what it was.
    incoming: BTreeMap<u16, Option<Key>>,
    /// QoS 1 from the server whose PUBACK is not written yet.
    unacknowledged: BTreeMap<u16, Option<Key>>,
    /// Acknowledgements to be sent, in order.
    pub acks: VecDeque<(u8, u16)>,
    pub subscribing: BTreeMap<u16, Vec<String>>,
    pub unsubscribing: BTreeMap<u16, Vec<String>>,
    pub filters: BTreeSet<String>,
    /// There was a CONNECT whose outcome is unknown: only a clean start makes both ends agree again.
    pub must_clean: bool,
    /// It hardly ever asks for a session that ends.
    pub is_lasting: bool,
    /// Bytes that it adds to its payloads, at most.
    pub padding_max: usize,
    /// Of the last session that both sides agreed on.
    pub last_expiry_s: Option<u32>,
    /// 3.1 has no session present flag, so that its clients keep to one kind of session.
    pub always_clean: bool,
    /// `usize::MAX` is no bound. The same on all connections: a message that one connection may not carry any more would
    /// count as sent, and its packet identifier be free at the server and in use at the client.
    pub packet_size_max: usize,
    /// Before 5.0 the broker does not announce how many messages of QoS 2 it takes at once: what its settings say.
    pub window_unannounced: u16,
}

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

/// Reason code of 5.0.
pub const QUOTA_EXCEEDED: u8 = 0x97;
pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
/// The server stops, or nobody has decided on the client, or not in time.
const UNAVAILABLE: u8 = 0x88;
/// CONNACK before 5.0.
const SERVER_UNAVAILABLE: u8 = 3;
/// SUBACK of 3.1.1.
const SUBSCRIPTION_FAILURE: u8 = 0x80;

impl Client {
    pub fn new(index: usize, version: Version, always_clean: bool) -> Self {
        Self {
            index,
            version,
            reading: true,
            connection: None,
            sequence: 0,
            next_subscription_id: 1,
            next_packet_id: 0,
            packet_id_max: 40,
            outgoing: Vec::new(),
            incoming: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            acks: VecDeque::new(),
            subscribing: BTreeMap::new(),
            unsubscribing: BTreeMap::new(),
            filters: BTreeSet::new(),
            must_clean: false,
            is_lasting: false,
            padding_max: usize::MAX,
            last_expiry_s: None,
            always_clean,
            packet_size_max: usize::MAX,
            window_unannounced: u16::MAX,
        }
    }

    pub fn name(&self) -> String {
        format!("c{}", self.index)
    }

    pub fn packet_id(&mut self) -> u16 {
        loop {
            self.next_packet_id = self.next_packet_id % self.packet_id_max + 1;
            let id = self.next_packet_id;
            let used = self.outgoing.iter().any(|(other, ..)| *other == id)
                || self.subscribing.contains_key(&id)
                || self.unsubscribing.contains_key(&id);
            if !used {
                return id;
            }
        }
    }

    pub fn write(&mut self, bytes: Vec<u8>, marker: Option<Marker>, now: Time) {
        if let Some(connection) = &mut self.connection {
            connection.written.push((bytes, marker));
            connection.last_sent = now;
        }
    }

    /// Forgets all that belongs to a session.
    pub fn forget_session(&mut self) {
        self.outgoing.clear();
        self.incoming.clear();
        self.unacknowledged.clear();
        self.filters.clear();
    }

    /// The broker has stopped without notice, and has no connections any more.
    pub fn note_crash(&mut self) {
        self.unacknowledged.clear();
        if let Some(connection) = &mut self.connection {
            connection.broker_crashed = true;
        }
    }

    /// The network connection is gone, whoever ended it.
    pub fn lose_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            if !connection.connected {
                let harmless = !connection.clean_start
                    && connection.session_expiry_s == u32::MAX
                    && self.last_expiry_s.is_none_or(|expiry| expiry == u32::MAX);
                self.must_clean |= !harmless;
            }
            // The broker may have forgotten what it sent with QoS 1, packet identifier and all; a client that gets such a
            // message remembers nothing of it either.
            if connection.broker_crashed {
                self.unacknowledged.clear();
            }
            self.acks.clear();
            self.subscribing.clear();
            self.unsubscribing.clear();
        }
    }

    /// Writes the first `count` acknowledgements that wait.
    pub fn write_acks(&mut self, count: usize, now: Time) {
        for _ in 0..count {
            let Some((kind, packet_id)) = self.acks.pop_front() else { return };
            if kind == PUBACK {
                self.unacknowledged.remove(&packet_id);
            }
            if kind == PUBREL
                && let Some(entry) = self.outgoing.iter_mut().find(|entry| entry.0 == packet_id)
            {
                entry.2 = Stage::Completion;
            }
            if let Some(connection) = &mut self.connection
                && (kind == PUBACK || kind == PUBCOMP)
            {
                connection.in_flight.remove(&packet_id);
            }
            self.write(wire::ack(kind, packet_id), None, now);
        }
    }

    /// Nothing that was begun on this connection is unfinished.
    pub fn is_settled(&self) -> bool {
        let may_forget = self.packet_size_max < usize::MAX;
        self.acks.is_empty()
            && self.outgoing.is_empty()
            && self.subscribing.is_empty()
            && self.unsubscribing.is_empty()
            && (may_forget || self.incoming.is_empty())
            && self
                .connection
                .as_ref()
                .is_none_or(|c| c.connected && c.pings == 0 && c.buffer.is_empty() && c.in_flight.is_empty())
    }

    pub fn unfinished(&self) -> String {
        format!(
            "acks {:?} outgoing {:?} subscribing {:?} unsubscribing {:?} incoming {:?} connection {:?}",
            self.acks,
            self.outgoing,
            self.subscribing,
            self.unsubscribing,
            self.incoming,
            self.connection.as_ref().map(|c| (c.connected, c.pings, c.buffer.len(), &c.in_flight)),
        )
    }

    /// Takes what the socket brought; a sentence says which rule the server broke.
    pub fn receive(&mut self, bytes: &[u8], history: &mut History) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.buffer.extend_from_slice(bytes);
        loop {
            let Some(connection) = &mut self.connection else { return Ok(()) };
            let Some((packet, size)) = wire::scan(self.version, &connection.buffer)? else { return Ok(()) };
            if size > connection.packet_size_max {
                return Err(format!(
                    "a packet of {size} bytes exceeds the Maximum Packet Size {}",
                    connection.packet_size_max
                ));
            }
            connection.buffer.drain(..size);
            if connection.disconnect_received {
                return Err(format!("{packet:?} after DISCONNECT"));
            }
            if !connection.connected && !matches!(packet, Received::ConnAck { .. } | Received::Disconnect { .. }) {
                return Err(format!("{packet:?} before CONNACK"));
            }
            let shown = format!("{packet:?}");
            self.handle(packet, history).map_err(|rule| format!("{rule}: {}", shown.get(..400).unwrap_or(&shown)))?;
        }
    }

    fn handle(&mut self, packet: Received, history: &mut History) -> Result<(), String> {
        let index = self.index;
        let number = self.connection.as_ref().map_or(0, |connection| connection.number);
        match packet {
            Received::ConnAck { session_present, code, properties } => {
                self.handle_connack(session_present, code, &properties, history)
            }
            Received::Publish(publish) => self.handle_publish(publish, history),
            Received::PubAck { packet_id, code } | Received::PubRec { packet_id, code } if code >= 0x80 => {
                if code != QUOTA_EXCEEDED || !history.refusals {
                    return Err("a refusal of a message that breaks no rule".into());
                }
                let stage =
                    if matches!(packet, Received::PubAck { .. }) { Stage::Acknowledgement } else { Stage::Receipt };
                let key = self.finish(packet_id, stage)?;
                history.record(index, number, What::Refused { key });
                Ok(())
            }
            Received::PubAck { packet_id, .. } => {
                let key = self.finish(packet_id, Stage::Acknowledgement)?;
                history.record(index, number, What::Accepted { key });
                Ok(())
            }
            Received::PubRec { packet_id, .. } => {
                let waiting = self.outgoing.iter().find(|(id, _, stage)| *id == packet_id && *stage == Stage::Receipt);
                let Some((_, key, _)) = waiting.filter(|_| !self.acks.contains(&(PUBREL, packet_id))) else {
                    return Err("PUBREC for what does not wait for it".into());
                };
                history.record(index, number, What::Received { key: *key });
                self.acks.push_back((PUBREL, packet_id));
                Ok(())
            }
            Received::PubComp { packet_id, code } => {
                let key = self.finish(packet_id, Stage::Completion)?;
                let resumed = self.connection.as_ref().is_some_and(|connection| connection.resumed);
                if code != 0 && !(code == 0x92 && resumed) {
                    return Err("PUBCOMP with an error".into());
                }
                history.record(index, number, What::Accepted { key });
                Ok(())
            }
            Received::PubRel { packet_id, code } => {
                let resumed = self.connection.as_ref().is_some_and(|connection| connection.resumed);
                if self.incoming.remove(&packet_id).is_none() && !(resumed && code == 0) {
                    return Err("PUBREL for an unknown packet identifier".into());
                }
                self.acks.push_back((PUBCOMP, packet_id));
                Ok(())
            }
            Received::SubAck { packet_id, codes } => {
                let filters = self.subscribing.remove(&packet_id).ok_or("SUBACK without SUBSCRIBE")?;
                let failure = if self.version.is_5() { QUOTA_EXCEEDED } else { SUBSCRIPTION_FAILURE };
                let is_right = |code: &u8| *code <= 2 || (*code == failure && history.refusals);
                if filters.len() != codes.len() || !codes.iter().all(is_right) {
                    return Err("SUBACK with wrong or failing reason codes".into());
                }
                history.record(index, number, What::SubAck { packet_id, codes });
                Ok(())
            }
            Received::UnsubAck { packet_id, codes } => {
                let filters = self.unsubscribing.remove(&packet_id).ok_or("UNSUBACK without UNSUBSCRIBE")?;
                let right = if self.version.is_5() { codes.len() == filters.len() } else { codes.is_empty() };
                if !right || codes.iter().any(|code| *code != 0 && *code != 0x11) {
                    return Err("UNSUBACK with wrong reason codes".into());
                }
                history.record(index, number, What::UnsubAck { packet_id });
                Ok(())
            }
            Received::PingResp => {
                let connection = self.connection.as_mut().ok_or("no connection")?;
                connection.pings = connection.pings.checked_sub(1).ok_or("PINGRESP without PINGREQ")?;
                Ok(())
            }
            Received::Disconnect { code } => {
                if let Some(connection) = &mut self.connection {
                    connection.disconnect_received = true;
                }
                history.record(index, number, What::ServerDisconnect);
                let may_time_out = self.connection.as_ref().is_some_and(|connection| connection.keep_alive_s > 0);
                let may_refuse = [QUOTA_EXCEEDED, SERVER_SHUTTING_DOWN].contains(&code) && history.refusals;
                if (code == 0x8D && may_time_out) || may_refuse {
                    Ok(())
                } else {
                    Err("a DISCONNECT that nothing explains".into())
                }
            }
        }
    }

    fn handle_connack(
        &mut self,
        session_present: bool,
        code: u8,
        properties: &Properties,
        history: &mut History,
    ) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        if connection.connected {
            return Err("a second CONNACK".into());
        }
        if code != 0 {
            let refusals: &[u8] =
                if self.version.is_5() { &[QUOTA_EXCEEDED, UNAVAILABLE] } else { &[SERVER_UNAVAILABLE] };
            let denial = if self.version.is_5() { UNAVAILABLE } else { SERVER_UNAVAILABLE };
            let may_be = history.refusals && refusals.contains(&code) || history.denials && code == denial;
            return if may_be { Ok(()) } else { Err("CONNACK with a refusal".into()) };
        }
        if session_present && connection.clean_start {
            return Err("session present after a clean start".into());
        }
        connection.connected = true;
        connection.server_receive_maximum = if self.version.is_5() { u16::MAX } else { self.window_unannounced };
        for (id, value) in properties {
            match (*id, value) {
                (property::RECEIVE_MAXIMUM, Value::Two(value)) => connection.server_receive_maximum = *value,
                (property::TOPIC_ALIAS_MAX, Value::Two(value)) => connection.server_topic_alias_max = *value,
                (property::SERVER_KEEP_ALIVE, Value::Two(value)) => connection.keep_alive_s = *value,
                (property::SESSION_EXPIRY, Value::Four(value)) => connection.session_expiry_s = *value,
                _ => {}
            }
        }
        let flag = (self.version != Version::V3_1).then_some(session_present);
        connection.resumed = flag.unwrap_or(!connection.clean_start);
        let (number, resumed) = (connection.number, connection.resumed);
        self.must_clean = false;
        self.last_expiry_s = Some(connection.session_expiry_s);
        history.record(self.index, number, What::Connected { session_present: flag });
        if resumed {
            self.resend(history);
        } else {
            // What was written before the CONNACK of a clean start belongs to the new session.
            let clean_start = self.connection.as_ref().is_some_and(|connection| connection.clean_start);
            if !clean_start {
                self.forget_session();
            }
        }
        Ok(())
    }

    /// Section 4.4: what is not acknowledged goes out again, in the order in which it went out first.
    fn resend(&mut self, history: &mut History) {
        let number = self.connection.as_ref().map_or(0, |connection| connection.number);
        for (packet_id, key, stage) in self.outgoing.clone() {
            if stage == Stage::Completion {
                self.write(wire::ack(PUBREL, packet_id), None, history.now);
                continue;
            }
            let message = &history.messages[&key];
            let mut properties = message.properties.clone();
            if let Some(seconds) = message.expiry_s {
                properties.push((property::MESSAGE_EXPIRY, Value::Four(seconds)));
            }
            let packet = Publish {
                dup: true,
                qos: message.qos,
                retain: message.retain,
                topic: message.topic.clone(),
                packet_id,
                properties,
                payload: message.payload.clone(),
            };
            history.record(self.index, number, What::Publish { key, packet_id, dup: true });
            self.write(wire::publish(self.version, &packet), Some(Marker::Message(key)), history.now);
        }
    }

    fn handle_publish(&mut self, mut publish: Publish, history: &mut History) -> Result<(), String> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let alias = publish.properties.iter().find_map(|(id, value)| match value {
            Value::Two(alias) if *id == property::TOPIC_ALIAS => Some(*alias),
            _ => None,
        });
        if let Some(alias) = alias {
            if alias == 0 || alias > connection.topic_alias_max {
                return Err(format!("topic alias past the Topic Alias Maximum {}", connection.topic_alias_max));
            }
            if publish.topic.is_empty() {
                publish.topic = connection.aliases_in.get(&alias).ok_or("unknown topic alias")?.clone();
            } else {
                connection.aliases_in.insert(alias, publish.topic.clone());
            }
        }
        if publish.dup && !connection.resumed {
            return Err("DUP in a session that is new".into());
        }
        let key = Key::of(&publish.payload);
        let packet_id = publish.packet_id;
        let mut known = false;
        if publish.qos > 0 {
            if !connection.in_flight.insert(packet_id) {
                return Err("a packet identifier that is in use".into());
            }
            if connection.in_flight.len() > usize::from(connection.receive_maximum) {
                return Err(format!("more in flight than the Receive Maximum {}", connection.receive_maximum));
            }
            // What a group's member had not acknowledged when its connection broke may have gone to another member
            // (section 4.8.2), whose acknowledgement frees the packet identifier; and it may have come back.
            let moved = |key: &Option<Key>| key.is_some_and(|key| history.messages[&key].topic.starts_with("s/"));
            let is_new = |held: &Option<Key>| *held != key || !publish.dup;
            if self.unacknowledged.get(&packet_id).is_some_and(|held| is_new(held) && moved(held)) {
                self.unacknowledged.remove(&packet_id);
            }
            // What is too large for this client once a topic alias is gone counts as sent ([MQTT-3.1.2-25]).
            let is_limited = connection.packet_size_max < usize::MAX;
            if is_limited && self.unacknowledged.get(&packet_id).is_some_and(|held| *held != key) {
                self.unacknowledged.remove(&packet_id);
            }
            if is_limited && self.incoming.get(&packet_id).is_some_and(|held| *held != key) {
                self.incoming.remove(&packet_id);
            }
            let held =
                if publish.qos == 1 { self.unacknowledged.get(&packet_id) } else { self.incoming.get(&packet_id) };
            if let Some(held) = held {
                if *held != key || !publish.dup {
                    return Err(format!("the packet identifier of {held:?}, which is not acknowledged"));
                }
                known = true;
            }
            let other = if publish.qos == 1 { &self.incoming } else { &self.unacknowledged };
            if other.contains_key(&packet_id) {
                return Err("a packet identifier that is in use at another QoS".into());
            }
            if publish.qos == 1 {
                self.unacknowledged.insert(packet_id, key);
                self.acks.push_back((PUBACK, packet_id));
            } else {
                self.incoming.insert(packet_id, key);
                self.acks.push_back((PUBREC, packet_id));
            }
        }
        let delivery = Delivery {
            key,
            topic: publish.topic,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id,
            properties: publish.properties,
            payload: publish.payload,
            known: known && publish.qos == 2,
        };
        history.record(self.index, connection.number, What::Delivery(delivery));
        Ok(())
    }

    fn finish(&mut self, packet_id: u16, stage: Stage) -> Result<Key, String> {
        let position = self
            .outgoing
            .iter()
            .position(|(id, _, other)| *id == packet_id && *other == stage)
            .ok_or("an acknowledgement of nothing that waits for it")?;
        Ok(self.outgoing.remove(position).1)
    }
}
