//! PUBLISH decoded a second time, slowly and straight from the text of the specification: the oracle for the fast one.

use ringmq::codec::{Publish, Version};

/// What a PUBLISH says, with its properties in order as identifier and value.
#[derive(Debug, PartialEq)]
pub struct NaivePublish {
    dup: bool,
    qos: u8,
    retain: bool,
    topic: String,
    packet_id: Option<u16>,
    properties: Vec<(u8, Value)>,
    payload: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(u32),
    String(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

/// Decodes first byte and body of a PUBLISH; `None` if they break any rule.
pub fn decode(first_byte: u8, body: &[u8], version: Version) -> Option<NaivePublish> {
    let bits: Vec<bool> = (0..8).map(|bit| first_byte & (1 << bit) != 0).collect();
    let (retain, dup) = (bits[0], bits[3]);
    let qos = u8::from(bits[1]) + 2 * u8::from(bits[2]);
    if qos == 3 || (dup && qos == 0) {
        return None;
    }
    let mut input = Input(body.to_vec());
    let topic = input.string()?;
    if topic.contains(['+', '#']) {
        return None;
    }
    let packet_id = if qos > 0 { Some(input.number(2)? as u16) } else { None };
    if packet_id == Some(0) {
        return None;
    }
    let mut properties = Vec::new();
    if version == Version::V5_0 {
        let length = input.variable_byte_integer()?;
        let mut block = Input(input.take(length as usize)?);
        while !block.0.is_empty() {
            properties.push(block.property()?);
        }
    }
    for (position, (identifier, value)) in properties.iter().enumerate() {
        let is_repeatable = *identifier == 0x26 || *identifier == 0x0B;
        if !is_repeatable && properties[..position].iter().any(|(other, _)| other == identifier) {
            return None;
        }
        let is_right = match (identifier, value) {
            (0x01, Value::Number(indicator)) => *indicator <= 1,
            (0x0B | 0x23, Value::Number(number)) => *number != 0,
            (0x08, Value::String(topic)) => !topic.is_empty() && !topic.contains(['+', '#']),
            _ => true,
        };
        if !is_right {
            return None;
        }
    }
    if topic.is_empty() && !properties.iter().any(|(identifier, _)| *identifier == 0x23) {
        return None;
    }
    Some(NaivePublish { dup, qos, retain, topic, packet_id, properties, payload: input.0 })
}

impl NaivePublish {
    /// Says the same as `publish`, field by field.
    pub fn says(&self, publish: &Publish<'_>) -> bool {
        let number = |identifier| match self.first(identifier) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let string = |identifier| match self.first(identifier) {
            Some(Value::String(string)) => Some(string),
            _ => None,
        };
        let binary = match self.first(0x09) {
            Some(Value::Binary(bytes)) => Some(bytes),
            _ => None,
        };
        let all = |wanted: u8| self.properties.iter().filter(move |(identifier, _)| *identifier == wanted);
        let properties = &publish.properties;
        (self.dup, self.qos, self.retain) == (publish.dup, publish.qos as u8, publish.retain)
            && self.topic == publish.topic
            && self.packet_id.unwrap_or(0) == publish.packet_id
            && self.payload == publish.payload
            && number(0x01).is_some_and(|indicator| indicator == 1) == properties.payload_is_utf8
            && number(0x02) == properties.message_expiry_s
            && number(0x23) == properties.topic_alias.map(u32::from)
            && number(0x0B) == properties.subscription_id
            && string(0x03).as_deref() == properties.content_type
            && string(0x08).as_deref() == properties.response_topic
            && binary.as_deref() == properties.correlation_data
            && properties.forwardable == [0x02, 0x0B, 0x23].iter().all(|identifier| self.first(*identifier).is_none())
            && (all(0x0B).map(|(_, value)| value.clone())).eq(properties.subscription_ids().map(Value::Number))
            && (all(0x26).map(|(_, value)| value.clone())).eq(properties
                .user_properties()
                .iter()
                .map(|(name, value)| Value::Pair(name.to_owned(), value.to_owned())))
    }

    fn first(&self, wanted: u8) -> Option<Value> {
        self.properties.iter().find(|(identifier, _)| *identifier == wanted).map(|(_, value)| value.clone())
    }
}

/// Bytes that are taken from the front.
struct Input(Vec<u8>);

impl Input {
    fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        if count > self.0.len() { None } else { Some(self.0.drain(..count).collect()) }
    }

    fn number(&mut self, bytes: usize) -> Option<u32> {
        Some(self.take(bytes)?.into_iter().fold(0, |number, byte| number * 256 + u32::from(byte)))
    }

    /// The algorithm of section 1.5.5, and the rule that an encoding is as short as can be.
    fn variable_byte_integer(&mut self) -> Option<u32> {
        let (mut multiplier, mut value) = (1, 0);
        loop {
            let encoded = self.number(1)?;
            value += (encoded % 128) * multiplier;
            if encoded < 128 {
                return if encoded == 0 && multiplier > 1 { None } else { Some(value) };
            }
            if multiplier == 128 * 128 * 128 {
                return None;
            }
            multiplier *= 128;
        }
    }

    fn binary(&mut self) -> Option<Vec<u8>> {
        let length = self.number(2)?;
        self.take(length as usize)
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.binary()?).ok().filter(|string| !string.contains('\0'))
    }

    /// The rows of table 2-4 that name PUBLISH.
    fn property(&mut self) -> Option<(u8, Value)> {
        let identifier = self.number(1)? as u8;
        let value = match identifier {
            0x01 => Value::Number(self.number(1)?),
            0x02 => Value::Number(self.number(4)?),
            0x03 | 0x08 => Value::String(self.string()?),
            0x09 => Value::Binary(self.binary()?),
            0x0B => Value::Number(self.variable_byte_integer()?),
            0x23 => Value::Number(self.number(2)?),
            0x26 => Value::Pair(self.string()?, self.string()?),
            _ => return None,
        };
        Some((identifier, value))
    }
}
