//! Packets as values that own all they say, read field by field; encoded from the inside out, a buffer for each part.

/// The packets that clients and broker exchange in the benchmarks.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet {
    Connect {
        level: u8,
        keep_alive_s: u16,
        client_id: String,
    },
    Publish {
        qos: u8,
        retain: bool,
        topic: String,
        packet_id: u16,
        properties: Vec<(u8, Vec<u8>)>,
        payload: Vec<u8>,
    },
    /// PUBACK to PUBCOMP, by type.
    Ack {
        packet_type: u8,
        packet_id: u16,
    },
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, u8)>,
    },
}

/// The first packet of `bytes` and its size; `None` if it is not complete or not well-formed. `is_v5` as the CONNECT
/// has said; a CONNECT says so itself.
pub fn decode(bytes: &[u8], is_v5: bool) -> Option<(Packet, usize)> {
    let mut input = Input(bytes.to_vec());
    let first_byte = input.byte()?;
    let length = input.variable_byte_integer()?;
    let mut body = Input(input.take(length)?);
    let packet = match first_byte >> 4 {
        1 => {
            if body.string()? != "MQTT" {
                return None;
            }
            let level = body.byte()?;
            let _flags = body.byte()?;
            let keep_alive_s = body.two_byte_integer()?;
            if level == 5 {
                let _properties = body.properties()?;
            }
            Packet::Connect { level, keep_alive_s, client_id: body.string()? }
        }
        3 => {
            let qos = first_byte >> 1 & 3;
            let topic = body.string()?;
            if topic.is_empty() || topic.contains(['+', '#', '\0']) {
                return None;
            }
            let packet_id = if qos > 0 { body.two_byte_integer()? } else { 0 };
            let properties = if is_v5 { body.properties()? } else { Vec::new() };
            Packet::Publish { qos, retain: first_byte & 1 == 1, topic, packet_id, properties, payload: body.0 }
        }
        packet_type @ 4..=7 => Packet::Ack { packet_type, packet_id: body.two_byte_integer()? },
        8 => {
            let packet_id = body.two_byte_integer()?;
            if is_v5 {
                let _properties = body.properties()?;
            }
            let mut filters = Vec::new();
            while !body.0.is_empty() {
                filters.push((body.string()?, body.byte()?));
            }
            Packet::Subscribe { packet_id, filters }
        }
        _ => return None,
    };
    Some((packet, bytes.len() - input.0.len()))
}

/// PUBLISH with these encoded properties, if the version has any.
pub fn publish(is_v5: bool, qos: u8, topic: &str, packet_id: u16, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    if qos > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    if is_v5 {
        body.extend(variable_byte_integer(properties.len()));
        body.extend(properties.to_vec());
    }
    body.extend(payload.to_vec());
    packet(0x30 | qos << 1, &body)
}

/// PUBACK to PUBCOMP, by type.
pub fn ack(packet_type: u8, packet_id: u16) -> Vec<u8> {
    packet(packet_type << 4 | if packet_type == 6 { 2 } else { 0 }, &packet_id.to_be_bytes())
}

/// First byte, Remaining Length and body.
pub fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    bytes.extend(variable_byte_integer(body.len()));
    bytes.extend(body);
    bytes
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    bytes
}

fn variable_byte_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let more = value > 127;
        bytes.push((value % 128) as u8 | if more { 128 } else { 0 });
        value /= 128;
        if !more {
            return bytes;
        }
    }
}

/// Bytes that are taken from the front.
struct Input(Vec<u8>);

impl Input {
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        if count > self.0.len() { None } else { Some(self.0.drain(..count).collect()) }
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    fn two_byte_integer(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn variable_byte_integer(&mut self) -> Option<usize> {
        let mut value = 0;
        for position in 0..4 {
            let byte = self.byte()?;
            value |= usize::from(byte & 127) << (7 * position);
            if byte < 128 {
                return Some(value);
            }
        }
        None
    }

    fn binary(&mut self) -> Option<Vec<u8>> {
        let length = self.two_byte_integer()?;
        self.take(length.into())
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.binary()?).ok()
    }

    /// Those that a PUBLISH from a client can have; others are not known here.
    fn properties(&mut self) -> Option<Vec<(u8, Vec<u8>)>> {
        let length = self.variable_byte_integer()?;
        let mut block = Input(self.take(length)?);
        let mut properties = Vec::new();
        while !block.0.is_empty() {
            let identifier = block.byte()?;
            let value = match identifier {
                0x01 => block.take(1)?,
                0x02 => block.take(4)?,
                0x23 => block.take(2)?,
                0x03 | 0x08 => block.string()?.into_bytes(),
                0x09 => block.binary()?,
                0x26 => [block.string()?, block.string()?].join("=").into_bytes(),
                _ => return None,
            };
            properties.push((identifier, value));
        }
        Some(properties)
    }
}
