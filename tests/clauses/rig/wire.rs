//! The data types of section 1.5 and the property identifiers of section 2.2.2.2, written for the rig alone.

pub const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
pub const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
pub const CONTENT_TYPE: u8 = 0x03;
pub const RESPONSE_TOPIC: u8 = 0x08;
pub const CORRELATION_DATA: u8 = 0x09;
pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
pub const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
pub const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
pub const SERVER_KEEP_ALIVE: u8 = 0x13;
pub const AUTHENTICATION_METHOD: u8 = 0x15;
pub const AUTHENTICATION_DATA: u8 = 0x16;
pub const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub const WILL_DELAY_INTERVAL: u8 = 0x18;
pub const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub const RESPONSE_INFORMATION: u8 = 0x1A;
pub const SERVER_REFERENCE: u8 = 0x1C;
pub const REASON_STRING: u8 = 0x1F;
pub const RECEIVE_MAXIMUM: u8 = 0x21;
pub const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub const TOPIC_ALIAS: u8 = 0x23;
pub const MAXIMUM_QOS: u8 = 0x24;
pub const RETAIN_AVAILABLE: u8 = 0x25;
pub const USER_PROPERTY: u8 = 0x26;
pub const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
pub const SUBSCRIPTION_IDENTIFIER_AVAILABLE: u8 = 0x29;
pub const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;

/// The value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Byte(u8),
    TwoBytes(u16),
    FourBytes(u32),
    Variable(u32),
    Text(String),
    Binary(Vec<u8>),
    Pair(String, String),
}

impl From<u8> for Value {
    fn from(value: u8) -> Self {
        Self::Byte(value)
    }
}

impl From<u16> for Value {
    fn from(value: u16) -> Self {
        Self::TwoBytes(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::FourBytes(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Binary(value.to_vec())
    }
}

impl From<(&str, &str)> for Value {
    fn from((name, value): (&str, &str)) -> Self {
        Self::Pair(name.to_owned(), value.to_owned())
    }
}

/// One property, encoded.
pub fn property(identifier: u8, value: impl Into<Value>) -> Vec<u8> {
    let mut bytes = vec![identifier];
    match value.into() {
        Value::Byte(value) => bytes.push(value),
        Value::TwoBytes(value) => bytes.extend(value.to_be_bytes()),
        Value::FourBytes(value) => bytes.extend(value.to_be_bytes()),
        Value::Variable(value) => bytes.extend(variable(value)),
        Value::Text(value) => bytes.extend(text(&value)),
        Value::Binary(value) => bytes.extend(binary(&value)),
        Value::Pair(name, value) => {
            bytes.extend(text(&name));
            bytes.extend(text(&value));
        }
    }
    bytes
}

/// A subscription identifier: the one property that is a Variable Byte Integer.
pub fn subscription_identifier(identifier: u32) -> Vec<u8> {
    property(SUBSCRIPTION_IDENTIFIER, Value::Variable(identifier))
}

/// Variable Byte Integer (section 1.5.5).
pub fn variable(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// UTF-8 Encoded String (section 1.5.4).
pub fn text(value: &str) -> Vec<u8> {
    binary(value.as_bytes())
}

/// Binary Data (section 1.5.6); also a string whose bytes are wrong on purpose.
pub fn binary(value: &[u8]) -> Vec<u8> {
    let mut bytes = (value.len() as u16).to_be_bytes().to_vec();
    bytes.extend(value);
    bytes
}

/// A property block with its length in front.
pub fn block(properties: &[u8]) -> Vec<u8> {
    let mut bytes = variable(properties.len() as u32);
    bytes.extend(properties);
    bytes
}
