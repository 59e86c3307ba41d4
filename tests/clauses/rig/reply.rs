//! What the server sends, scanned with no mercy: any breach of the format of section 2 or 3 fails the test.

use super::wire::*;

/// A packet from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    ConnAck(ConnAck),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    SubAck(SubAck),
    UnsubAck(SubAck),
    PingResp,
    Disconnect(Disconnect),
    Auth(Auth),
}

/// The properties of a packet in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties(pub Vec<(u8, Value)>);

impl Properties {
    pub fn get(&self, identifier: u8) -> Option<Value> {
        self.0.iter().find(|(found, _)| *found == identifier).map(|(_, value)| value.clone())
    }

    pub fn has(&self, identifier: u8) -> bool {
        self.get(identifier).is_some()
    }

    pub fn byte(&self, identifier: u8) -> Option<u8> {
        self.get(identifier).map(|value| if let Value::Byte(byte) = value { byte } else { panic!("{value:?}") })
    }

    pub fn two_bytes(&self, identifier: u8) -> Option<u16> {
        self.get(identifier).map(|value| if let Value::TwoBytes(number) = value { number } else { panic!("{value:?}") })
    }

    pub fn four_bytes(&self, identifier: u8) -> Option<u32> {
        self.get(identifier)
            .map(|value| if let Value::FourBytes(number) = value { number } else { panic!("{value:?}") })
    }

    pub fn text(&self, identifier: u8) -> Option<String> {
        self.get(identifier).map(|value| if let Value::Text(text) = value { text } else { panic!("{value:?}") })
    }

    /// All user properties in their order.
    pub fn user(&self) -> Vec<(String, String)> {
        let pair = |value: &Value| match value {
            Value::Pair(name, value) => Some((name.clone(), value.clone())),
            _ => None,
        };
        self.0.iter().filter_map(|(_, value)| pair(value)).collect()
    }

    /// All subscription identifiers, sorted: their order means nothing.
    pub fn subscription_identifiers(&self) -> Vec<u32> {
        let number = |value: &Value| if let Value::Variable(number) = value { Some(*number) } else { None };
        let mut found: Vec<u32> = self.0.iter().filter_map(|(_, value)| number(value)).collect();
        found.sort_unstable();
        found
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct ConnAck {
    pub session_present: bool,
    pub reason: u8,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: String,
    /// 0 for QoS 0.
    pub packet_id: u16,
    pub properties: Properties,
    pub payload: Vec<u8>,
    /// Bytes of the whole packet.
    pub size: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    pub packet_id: u16,
    pub reason: u8,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SubAck {
    pub packet_id: u16,
    pub reasons: Vec<u8>,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Disconnect {
    pub reason: u8,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    pub reason: u8,
    pub properties: Properties,
}

/// The first packet of `bytes` and its size; `None` when it is not whole.
pub fn scan(bytes: &[u8], level: u8) -> Option<(Packet, usize)> {
    let (length, length_size) = read_variable(bytes.get(1..)?)?;
    let size = 1 + length_size + length as usize;
    let mut body = Reader { bytes: bytes.get(1 + length_size..size)? };
    let packet = scan_body(bytes[0], &mut body, level, size);
    assert!(body.bytes.is_empty(), "bytes after the end of {packet:?}: {:?}", body.bytes);
    Some((packet, size))
}

fn scan_body(first_byte: u8, body: &mut Reader<'_>, level: u8, size: usize) -> Packet {
    if first_byte >> 4 == 3 {
        return Packet::Publish(scan_publish(first_byte, body, level, size));
    }
    let flags = if first_byte >> 4 == 6 { 2 } else { 0 };
    assert_eq!(first_byte & 0x0F, flags, "reserved flags of packet type {}", first_byte >> 4);
    match first_byte >> 4 {
        2 => Packet::ConnAck(scan_connack(body, level)),
        4 => Packet::PubAck(scan_ack(body, level, &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])),
        5 => Packet::PubRec(scan_ack(body, level, &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])),
        6 => Packet::PubRel(scan_ack(body, level, &[0, 0x92])),
        7 => Packet::PubComp(scan_ack(body, level, &[0, 0x92])),
        9 => {
            let packet_id = body.packet_id();
            let properties = body.properties(level, &[REASON_STRING, USER_PROPERTY]);
            let reasons = body.rest().to_vec();
            let allowed: &[u8] = match level {
                5 => &[0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
                _ => &[0, 1, 2, 0x80],
            };
            assert!(reasons.iter().all(|reason| allowed.contains(reason)), "SUBACK with {reasons:?}");
            Packet::SubAck(SubAck { packet_id, reasons, properties })
        }
        11 => {
            let packet_id = body.packet_id();
            let properties = body.properties(level, &[REASON_STRING, USER_PROPERTY]);
            let reasons = body.rest().to_vec();
            let allowed = [0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
            assert!(reasons.iter().all(|reason| allowed.contains(reason)), "UNSUBACK with {reasons:?}");
            assert!(level == 5 || reasons.is_empty(), "UNSUBACK with a payload before 5.0");
            Packet::UnsubAck(SubAck { packet_id, reasons, properties })
        }
        13 => Packet::PingResp,
        14 => Packet::Disconnect(scan_disconnect(body, level)),
        15 => Packet::Auth(scan_auth(body, level)),
        other => panic!("a server never sends packet type {other}"),
    }
}

fn scan_connack(body: &mut Reader<'_>, level: u8) -> ConnAck {
    let flags = body.byte();
    assert_eq!(flags & 0xFE, 0, "bits 7-1 of the Connect Acknowledge Flags are reserved");
    let reason = body.byte();
    let known: &[u8] = match level {
        5 => &[
            0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A,
            0x9B, 0x9C, 0x9D, 0x9F,
        ],
        _ => &[0, 1, 2, 3, 4, 5],
    };
    assert!(known.contains(&reason), "CONNACK with {reason:#x}");
    assert!(reason == 0 || flags == 0, "Session Present with {reason:#x}");
    let allowed = [
        SESSION_EXPIRY_INTERVAL,
        RECEIVE_MAXIMUM,
        MAXIMUM_QOS,
        RETAIN_AVAILABLE,
        MAXIMUM_PACKET_SIZE,
        ASSIGNED_CLIENT_IDENTIFIER,
        TOPIC_ALIAS_MAXIMUM,
        REASON_STRING,
        USER_PROPERTY,
        WILDCARD_SUBSCRIPTION_AVAILABLE,
        SUBSCRIPTION_IDENTIFIER_AVAILABLE,
        SHARED_SUBSCRIPTION_AVAILABLE,
        SERVER_KEEP_ALIVE,
        RESPONSE_INFORMATION,
        SERVER_REFERENCE,
        AUTHENTICATION_METHOD,
        AUTHENTICATION_DATA,
    ];
    let properties = body.properties(level, &allowed);
    assert!(properties.byte(MAXIMUM_QOS).is_none_or(|qos| qos < 2), "Maximum QoS is 0 or 1");
    assert_ne!(properties.two_bytes(RECEIVE_MAXIMUM), Some(0));
    assert_ne!(properties.four_bytes(MAXIMUM_PACKET_SIZE), Some(0));
    ConnAck { session_present: flags == 1, reason, properties }
}

fn scan_publish(first_byte: u8, body: &mut Reader<'_>, level: u8, size: usize) -> Publish {
    let qos = first_byte >> 1 & 3;
    let dup = first_byte & 8 != 0;
    assert!(qos < 3, "both QoS bits set");
    assert!(qos > 0 || !dup, "DUP with QoS 0");
    let topic = body.text();
    assert!(!topic.contains(['+', '#']), "wildcard in topic name {topic:?}");
    let packet_id = if qos > 0 { body.packet_id() } else { 0 };
    let allowed = [
        PAYLOAD_FORMAT_INDICATOR,
        MESSAGE_EXPIRY_INTERVAL,
        TOPIC_ALIAS,
        RESPONSE_TOPIC,
        CORRELATION_DATA,
        USER_PROPERTY,
        SUBSCRIPTION_IDENTIFIER,
        CONTENT_TYPE,
    ];
    let properties = body.properties(level, &allowed);
    assert!(!topic.is_empty() || properties.has(TOPIC_ALIAS), "neither topic name nor alias");
    assert_ne!(properties.two_bytes(TOPIC_ALIAS), Some(0));
    let payload = body.rest().to_vec();
    Publish { dup, qos, retain: first_byte & 1 != 0, topic, packet_id, properties, payload, size }
}

fn scan_ack(body: &mut Reader<'_>, level: u8, known: &[u8]) -> Ack {
    let packet_id = body.packet_id();
    assert!(level == 5 || body.bytes.is_empty(), "an acknowledgement before 5.0 has two bytes");
    let reason = if body.bytes.is_empty() { 0 } else { body.byte() };
    assert!(known.contains(&reason), "acknowledgement with {reason:#x}");
    let level = if body.bytes.is_empty() { 0 } else { level };
    Ack { packet_id, reason, properties: body.properties(level, &[REASON_STRING, USER_PROPERTY]) }
}

fn scan_disconnect(body: &mut Reader<'_>, level: u8) -> Disconnect {
    assert_eq!(level, 5, "before 5.0 a server sends no DISCONNECT");
    let reason = if body.bytes.is_empty() { 0 } else { body.byte() };
    let known = [
        0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
        0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ];
    assert!(known.contains(&reason), "DISCONNECT with {reason:#x}");
    let level = if body.bytes.is_empty() { 0 } else { level };
    // Session Expiry Interval is not in the list: only clients send it ([MQTT-3.14.2-2]).
    Disconnect { reason, properties: body.properties(level, &[REASON_STRING, USER_PROPERTY, SERVER_REFERENCE]) }
}

fn scan_auth(body: &mut Reader<'_>, level: u8) -> Auth {
    assert_eq!(level, 5, "AUTH before 5.0");
    let reason = if body.bytes.is_empty() { 0 } else { body.byte() };
    assert!([0, 0x18].contains(&reason), "AUTH of a server with {reason:#x}");
    let level = if body.bytes.is_empty() { 0 } else { level };
    let allowed = [AUTHENTICATION_METHOD, AUTHENTICATION_DATA, REASON_STRING, USER_PROPERTY];
    Auth { reason, properties: body.properties(level, &allowed) }
}

/// `None` when bytes are missing.
fn read_variable(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            assert!(index == 0 || *byte != 0, "a Variable Byte Integer that is not minimal");
            return Some((value, index + 1));
        }
    }
    assert!(bytes.len() < 4, "a Variable Byte Integer of more than four bytes");
    None
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        assert!(self.bytes.len() >= count, "the packet ends early");
        let (taken, rest) = self.bytes.split_at(count);
        self.bytes = rest;
        taken
    }

    fn rest(&mut self) -> &'a [u8] {
        self.take(self.bytes.len())
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two_bytes(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn four_bytes(&mut self) -> u32 {
        u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()])
    }

    fn packet_id(&mut self) -> u16 {
        let packet_id = self.two_bytes();
        assert_ne!(packet_id, 0, "a packet identifier is not 0");
        packet_id
    }

    fn variable(&mut self) -> u32 {
        let (value, size) = read_variable(self.bytes).expect("a whole Variable Byte Integer");
        self.take(size);
        value
    }

    fn binary(&mut self) -> Vec<u8> {
        let length = self.two_bytes();
        self.take(usize::from(length)).to_vec()
    }

    fn text(&mut self) -> String {
        let text = String::from_utf8(self.binary()).expect("UTF-8");
        assert!(!text.contains('\0'), "U+0000 in {text:?}");
        text
    }

    /// The property block of 5.0; nothing for other levels.
    fn properties(&mut self, level: u8, allowed: &[u8]) -> Properties {
        if level != 5 {
            return Properties::default();
        }
        let length = self.variable();
        let mut block = Reader { bytes: self.take(length as usize) };
        let mut found = Properties::default();
        while !block.bytes.is_empty() {
            let identifier = block.byte();
            assert!(allowed.contains(&identifier), "property {identifier:#x} does not belong in this packet");
            let repeats = [USER_PROPERTY, SUBSCRIPTION_IDENTIFIER].contains(&identifier);
            assert!(repeats || !found.has(identifier), "property {identifier:#x} twice");
            let value = block.value(identifier);
            found.0.push((identifier, value));
        }
        found
    }

    fn value(&mut self, identifier: u8) -> Value {
        match identifier {
            PAYLOAD_FORMAT_INDICATOR
            | MAXIMUM_QOS
            | RETAIN_AVAILABLE
            | WILDCARD_SUBSCRIPTION_AVAILABLE
            | SUBSCRIPTION_IDENTIFIER_AVAILABLE
            | SHARED_SUBSCRIPTION_AVAILABLE => {
                let byte = self.byte();
                assert!(byte < 2, "property {identifier:#x} is 0 or 1, not {byte}");
                Value::Byte(byte)
            }
            MESSAGE_EXPIRY_INTERVAL | SESSION_EXPIRY_INTERVAL | MAXIMUM_PACKET_SIZE => {
                Value::FourBytes(self.four_bytes())
            }
            SERVER_KEEP_ALIVE | RECEIVE_MAXIMUM | TOPIC_ALIAS_MAXIMUM | TOPIC_ALIAS => {
                Value::TwoBytes(self.two_bytes())
            }
            CORRELATION_DATA | AUTHENTICATION_DATA => Value::Binary(self.binary()),
            USER_PROPERTY => Value::Pair(self.text(), self.text()),
            SUBSCRIPTION_IDENTIFIER => {
                let number = self.variable();
                assert_ne!(number, 0, "a Subscription Identifier is not 0");
                Value::Variable(number)
            }
            _ => Value::Text(self.text()),
        }
    }
}
