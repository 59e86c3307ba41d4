//! MQTT on the wire as a client sees it: a minimal encoder of what clients send and a strict scanner of what servers send.
//! It shares nothing with the broker's codec, so that a mistake there cannot hide itself here.

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V3_1,
    V3_1_1,
    V5_0,
}

impl Version {
    pub fn is_5(self) -> bool {
        self == Self::V5_0
    }
}

/// The value of a property of MQTT 5.0 (section 2.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Byte(u8),
    Two(u16),
    Four(u32),
    Variable(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

pub type Properties = Vec<(u8, Value)>;

pub mod property {
    pub const PAYLOAD_FORMAT: u8 = 0x01;
    pub const MESSAGE_EXPIRY: u8 = 0x02;
    pub const CONTENT_TYPE: u8 = 0x03;
    pub const RESPONSE_TOPIC: u8 = 0x08;
    pub const CORRELATION_DATA: u8 = 0x09;
    pub const SUBSCRIPTION_ID: u8 = 0x0B;
    pub const SESSION_EXPIRY: u8 = 0x11;
    pub const SERVER_KEEP_ALIVE: u8 = 0x13;
    pub const WILL_DELAY: u8 = 0x18;
    pub const RECEIVE_MAXIMUM: u8 = 0x21;
    pub const TOPIC_ALIAS_MAX: u8 = 0x22;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const USER: u8 = 0x26;
    pub const PACKET_SIZE_MAX: u8 = 0x27;
}

#[derive(Clone, Debug)]
pub struct Will {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Properties,
}

#[derive(Clone, Debug)]
pub struct Connect {
    pub version: Version,
    pub client_id: String,
    pub clean_start: bool,
    pub keep_alive_s: u16,
    pub will: Option<Will>,
    pub properties: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    pub topic: String,
    pub packet_id: u16,
    pub properties: Properties,
    pub payload: Vec<u8>,
}

/// A packet from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    ConnAck { session_present: bool, code: u8, properties: Properties },
    Publish(Publish),
    PubAck { packet_id: u16, code: u8 },
    PubRec { packet_id: u16, code: u8 },
    PubRel { packet_id: u16, code: u8 },
    PubComp { packet_id: u16, code: u8 },
    SubAck { packet_id: u16, codes: Vec<u8> },
    UnsubAck { packet_id: u16, codes: Vec<u8> },
    PingResp,
    Disconnect { code: u8 },
}

pub fn connect(packet: &Connect) -> Vec<u8> {
    let mut body = Vec::new();
    let (name, level) = match packet.version {
        Version::V3_1 => ("MQIsdp", 3),
        Version::V3_1_1 => ("MQTT", 4),
        Version::V5_0 => ("MQTT", 5),
    };
    text(&mut body, name);
    body.push(level);
    let mut flags = u8::from(packet.clean_start) << 1;
    if let Some(will) = &packet.will {
        flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
    }
    body.push(flags);
    body.extend_from_slice(&packet.keep_alive_s.to_be_bytes());
    if packet.version.is_5() {
        properties(&mut body, &packet.properties);
    }
    text(&mut body, &packet.client_id);
    if let Some(will) = &packet.will {
        if packet.version.is_5() {
            properties(&mut body, &will.properties);
        }
        text(&mut body, &will.topic);
        binary(&mut body, &will.payload);
    }
    framed(0x10, &body)
}

pub fn publish(version: Version, packet: &Publish) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, &packet.topic);
    if packet.qos > 0 {
        body.extend_from_slice(&packet.packet_id.to_be_bytes());
    }
    if version.is_5() {
        properties(&mut body, &packet.properties);
    }
    body.extend_from_slice(&packet.payload);
    framed(0x30 | u8::from(packet.dup) << 3 | packet.qos << 1 | u8::from(packet.retain), &body)
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with success, named by its first byte.
pub fn ack(first_byte: u8, packet_id: u16) -> Vec<u8> {
    framed(first_byte, &packet_id.to_be_bytes())
}

/// `filters` holds each filter with its options byte.
pub fn subscribe(version: Version, packet_id: u16, id: Option<u32>, filters: &[(String, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version.is_5() {
        let list: Properties = id.map(|id| (property::SUBSCRIPTION_ID, Value::Variable(id))).into_iter().collect();
        properties(&mut body, &list);
    }
    for (filter, options) in filters {
        text(&mut body, filter);
        body.push(*options);
    }
    framed(0x82, &body)
}

pub fn unsubscribe(version: Version, packet_id: u16, filters: &[String]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if version.is_5() {
        properties(&mut body, &Vec::new());
    }
    for filter in filters {
        text(&mut body, filter);
    }
    framed(0xA2, &body)
}

pub fn pingreq() -> Vec<u8> {
    vec![0xC0, 0]
}

pub fn disconnect(version: Version, code: u8, session_expiry_s: Option<u32>) -> Vec<u8> {
    if !version.is_5() || (code == 0 && session_expiry_s.is_none()) {
        return vec![0xE0, 0];
    }
    let mut body = vec![code];
    if let Some(seconds) = session_expiry_s {
        properties(&mut body, &vec![(property::SESSION_EXPIRY, Value::Four(seconds))]);
    }
    framed(0xE0, &body)
}

/// The first packet of `bytes` and its size; `None` when more bytes are needed, a sentence when it breaks a rule.
pub fn scan(version: Version, bytes: &[u8]) -> Result<Option<(Received, usize)>, String> {
    let mut size = 0usize;
    let mut header = 1;
    loop {
        let Some(byte) = bytes.get(header) else { return Ok(None) };
        size |= usize::from(byte & 0x7F) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if header > 4 {
            return Err("Remaining Length of more than four bytes".into());
        }
    }
    if bytes.len() < header + size {
        return Ok(None);
    }
    let mut body = Body { bytes: &bytes[header..header + size] };
    let packet = body.packet(version, bytes[0])?;
    if !body.bytes.is_empty() {
        return Err(format!("{} bytes too many in {packet:?}", body.bytes.len()));
    }
    Ok(Some((packet, header + size)))
}

struct Body<'a> {
    bytes: &'a [u8],
}

impl<'a> Body<'a> {
    fn packet(&mut self, version: Version, first_byte: u8) -> Result<Received, String> {
        let flags = first_byte & 0x0F;
        let kind = first_byte >> 4;
        let flags_expected = if kind == 6 { 2 } else { 0 };
        if kind != 3 && flags != flags_expected {
            return Err(format!("reserved flags in first byte {first_byte:#04x}"));
        }
        Ok(match kind {
            2 => {
                let acknowledge_flags = self.byte()?;
                if acknowledge_flags > 1 {
                    return Err("reserved bits in CONNACK".into());
                }
                let code = self.byte()?;
                let allowed = [0x11, 0x21, 0x24, 0x25, 0x27, 0x12, 0x22, 0x1F, 0x26, 0x28, 0x29, 0x2A, 0x13, 0x1A];
                let properties = self.properties(version, &allowed)?;
                Received::ConnAck { session_present: acknowledge_flags == 1, code, properties }
            }
            3 => self.publish(version, flags)?,
            4..=7 => {
                let packet_id = self.packet_id()?;
                let mut code = 0;
                if version.is_5() && !self.bytes.is_empty() {
                    code = self.byte()?;
                    if !self.bytes.is_empty() {
                        self.properties(version, &[0x1F, 0x26])?;
                    }
                }
                match kind {
                    4 => Received::PubAck { packet_id, code },
                    5 => Received::PubRec { packet_id, code },
                    6 => Received::PubRel { packet_id, code },
                    _ => Received::PubComp { packet_id, code },
                }
            }
            9 | 11 => {
                let packet_id = self.packet_id()?;
                self.properties(version, &[0x1F, 0x26])?;
                let codes = std::mem::take(&mut self.bytes).to_vec();
                if kind == 9 { Received::SubAck { packet_id, codes } } else { Received::UnsubAck { packet_id, codes } }
            }
            13 => Received::PingResp,
            14 if version.is_5() => {
                let code = if self.bytes.is_empty() { 0 } else { self.byte()? };
                if !self.bytes.is_empty() {
                    self.properties(version, &[0x1F, 0x26, 0x1C])?;
                }
                Received::Disconnect { code }
            }
            _ => return Err(format!("a server does not send packets of type {kind}")),
        })
    }

    fn publish(&mut self, version: Version, flags: u8) -> Result<Received, String> {
        let qos = flags >> 1 & 3;
        if qos == 3 {
            return Err("QoS 3".into());
        }
        let dup = flags & 8 != 0;
        if dup && qos == 0 {
            return Err("DUP with QoS 0".into());
        }
        let topic = self.text()?;
        if topic.contains(['+', '#', '\0']) {
            return Err(format!("wildcard or NUL in topic name {topic:?}"));
        }
        let packet_id = if qos > 0 { self.packet_id()? } else { 0 };
        let properties = self.properties(version, &[0x01, 0x02, 0x23, 0x08, 0x09, 0x26, 0x0B, 0x03])?;
        if topic.is_empty() && !properties.iter().any(|(id, _)| *id == property::TOPIC_ALIAS) {
            return Err("PUBLISH with neither topic nor alias".into());
        }
        let payload = std::mem::take(&mut self.bytes).to_vec();
        Ok(Received::Publish(Publish { dup, qos, retain: flags & 1 == 1, topic, packet_id, properties, payload }))
    }

    /// Empty before 5.0. Checks that each is allowed here and stands once, but for those that may repeat.
    fn properties(&mut self, version: Version, allowed: &[u8]) -> Result<Properties, String> {
        if !version.is_5() {
            return Ok(Vec::new());
        }
        let size = self.variable()? as usize;
        let mut block = Body { bytes: self.take(size)? };
        let mut list: Properties = Vec::new();
        while !block.bytes.is_empty() {
            let id = block.byte()?;
            if !allowed.contains(&id) {
                return Err(format!("property {id:#04x} is not allowed here"));
            }
            if list.iter().any(|(other, _)| *other == id) && id != property::USER && id != property::SUBSCRIPTION_ID {
                return Err(format!("property {id:#04x} stands twice"));
            }
            let value = match id {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Value::Byte(block.byte()?),
                0x13 | 0x21 | 0x22 | 0x23 => Value::Two(block.two()?),
                0x02 | 0x11 | 0x18 | 0x27 => Value::Four(u32::from(block.two()?) << 16 | u32::from(block.two()?)),
                0x0B => Value::Variable(block.variable()?),
                0x09 | 0x16 => {
                    let size = usize::from(block.two()?);
                    Value::Binary(block.take(size)?.to_vec())
                }
                0x26 => Value::Pair(block.text()?, block.text()?),
                _ => Value::Text(block.text()?),
            };
            list.push((id, value));
        }
        Ok(list)
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8], String> {
        if self.bytes.len() < size {
            return Err("the packet ends too early".into());
        }
        let (taken, rest) = self.bytes.split_at(size);
        self.bytes = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn two(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn packet_id(&mut self) -> Result<u16, String> {
        match self.two()? {
            0 => Err("packet identifier 0".into()),
            packet_id => Ok(packet_id),
        }
    }

    fn variable(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("variable byte integer of more than four bytes".into())
    }

    fn text(&mut self) -> Result<String, String> {
        let size = usize::from(self.two()?);
        String::from_utf8(self.take(size)?.to_vec()).map_err(|_| "text is not UTF-8".into())
    }
}

fn framed(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first_byte];
    variable(&mut out, body.len() as u32);
    out.extend_from_slice(body);
    out
}

fn variable(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn text(out: &mut Vec<u8>, value: &str) {
    binary(out, value.as_bytes());
}

fn binary(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

fn properties(out: &mut Vec<u8>, list: &Properties) {
    let mut block = Vec::new();
    for (id, value) in list {
        block.push(*id);
        match value {
            Value::Byte(byte) => block.push(*byte),
            Value::Two(two) => block.extend_from_slice(&two.to_be_bytes()),
            Value::Four(four) => block.extend_from_slice(&four.to_be_bytes()),
            Value::Variable(value) => variable(&mut block, *value),
            Value::Text(value) => text(&mut block, value),
            Value::Binary(value) => binary(&mut block, value),
            Value::Pair(name, value) => {
                text(&mut block, name);
                text(&mut block, value);
            }
        }
    }
    variable(out, block.len() as u32);
    out.extend_from_slice(&block);
}
