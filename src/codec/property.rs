//! One property (section 2.2.2): identifier and value. Which packet may carry which is [`super::decode`]'s to know.

use super::decode::Reader;
use super::encode::{write_binary, write_string, write_variable_byte_integer};
use super::violation::Violation;

/// A property with its value, named as in table 2-4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property<'a> {
    PayloadFormatIndicator(bool),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQos(bool),
    RetainAvailable(bool),
    /// User Property: name and value.
    User(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifiersAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

/// Identifiers that are looked for in encoded blocks.
pub(super) mod identifier {
    pub const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
    pub const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub const WILL_DELAY_INTERVAL: u8 = 0x18;
    pub const TOPIC_ALIAS: u8 = 0x23;
    pub const USER_PROPERTY: u8 = 0x26;
}

impl<'a> Property<'a> {
    /// Reads identifier and value, and checks what is wrong in any packet.
    #[inline]
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Violation> {
        // All identifiers are below 0x80, so that the variable byte integer of section 2.2.2.2 is one byte.
        Ok(match reader.u8()? {
            0x01 => Self::PayloadFormatIndicator(zero_or_one(reader)?),
            0x02 => Self::MessageExpiryInterval(reader.u32()?),
            0x03 => Self::ContentType(reader.string()?),
            0x08 => Self::ResponseTopic(reader.string()?),
            0x09 => Self::CorrelationData(reader.binary()?),
            0x0B => match reader.variable_byte_integer()? {
                0 => return Err(Violation::SubscriptionIdentifierZero),
                value => Self::SubscriptionIdentifier(value),
            },
            0x11 => Self::SessionExpiryInterval(reader.u32()?),
            0x12 => Self::AssignedClientIdentifier(reader.string()?),
            0x13 => Self::ServerKeepAlive(reader.u16()?),
            0x15 => Self::AuthenticationMethod(reader.string()?),
            0x16 => Self::AuthenticationData(reader.binary()?),
            0x17 => Self::RequestProblemInformation(zero_or_one(reader)?),
            0x18 => Self::WillDelayInterval(reader.u32()?),
            0x19 => Self::RequestResponseInformation(zero_or_one(reader)?),
            0x1A => Self::ResponseInformation(reader.string()?),
            0x1C => Self::ServerReference(reader.string()?),
            0x1F => Self::ReasonString(reader.string()?),
            0x21 => match reader.u16()? {
                0 => return Err(Violation::ReceiveMaximumZero),
                value => Self::ReceiveMaximum(value),
            },
            0x22 => Self::TopicAliasMaximum(reader.u16()?),
            0x23 => match reader.u16()? {
                0 => return Err(Violation::TopicAliasZero),
                value => Self::TopicAlias(value),
            },
            0x24 => Self::MaximumQos(zero_or_one(reader)?),
            0x25 => Self::RetainAvailable(zero_or_one(reader)?),
            0x26 => Self::User(reader.string()?, reader.string()?),
            0x27 => match reader.u32()? {
                0 => return Err(Violation::MaximumPacketSizeZero),
                value => Self::MaximumPacketSize(value),
            },
            0x28 => Self::WildcardSubscriptionAvailable(zero_or_one(reader)?),
            0x29 => Self::SubscriptionIdentifiersAvailable(zero_or_one(reader)?),
            0x2A => Self::SharedSubscriptionAvailable(zero_or_one(reader)?),
            _ => return Err(Violation::PropertyUnknown),
        })
    }

    /// Appends identifier and value.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.identifier());
        match *self {
            Self::PayloadFormatIndicator(value)
            | Self::RequestProblemInformation(value)
            | Self::RequestResponseInformation(value)
            | Self::MaximumQos(value)
            | Self::RetainAvailable(value)
            | Self::WildcardSubscriptionAvailable(value)
            | Self::SubscriptionIdentifiersAvailable(value)
            | Self::SharedSubscriptionAvailable(value) => out.push(u8::from(value)),
            Self::ServerKeepAlive(value)
            | Self::ReceiveMaximum(value)
            | Self::TopicAliasMaximum(value)
            | Self::TopicAlias(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::MessageExpiryInterval(value)
            | Self::SessionExpiryInterval(value)
            | Self::WillDelayInterval(value)
            | Self::MaximumPacketSize(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::SubscriptionIdentifier(value) => write_variable_byte_integer(out, value),
            Self::ContentType(value)
            | Self::ResponseTopic(value)
            | Self::AssignedClientIdentifier(value)
            | Self::AuthenticationMethod(value)
            | Self::ResponseInformation(value)
            | Self::ServerReference(value)
            | Self::ReasonString(value) => write_string(out, value),
            Self::CorrelationData(value) | Self::AuthenticationData(value) => write_binary(out, value),
            Self::User(name, value) => {
                write_string(out, name);
                write_string(out, value);
            }
        }
    }

    pub fn identifier(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => 0x01,
            Self::MessageExpiryInterval(_) => identifier::MESSAGE_EXPIRY_INTERVAL,
            Self::ContentType(_) => 0x03,
            Self::ResponseTopic(_) => 0x08,
            Self::CorrelationData(_) => 0x09,
            Self::SubscriptionIdentifier(_) => identifier::SUBSCRIPTION_IDENTIFIER,
            Self::SessionExpiryInterval(_) => 0x11,
            Self::AssignedClientIdentifier(_) => 0x12,
            Self::ServerKeepAlive(_) => 0x13,
            Self::AuthenticationMethod(_) => 0x15,
            Self::AuthenticationData(_) => 0x16,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelayInterval(_) => identifier::WILL_DELAY_INTERVAL,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1A,
            Self::ServerReference(_) => 0x1C,
            Self::ReasonString(_) => 0x1F,
            Self::ReceiveMaximum(_) => 0x21,
            Self::TopicAliasMaximum(_) => 0x22,
            Self::TopicAlias(_) => identifier::TOPIC_ALIAS,
            Self::MaximumQos(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::User(..) => identifier::USER_PROPERTY,
            Self::MaximumPacketSize(_) => 0x27,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdentifiersAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2A,
        }
    }
}

fn zero_or_one(reader: &mut Reader<'_>) -> Result<bool, Violation> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Violation::PropertyNotZeroOrOne),
    }
}

/// The encoded properties of a block in their order, each with its identifier's byte. Values are skipped, not checked;
/// ends early at what is not a property.
pub(super) fn spans(block: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let identifier = *rest.first()?;
        let (span, after) = rest.split_at_checked(1 + value_size(identifier, rest.get(1..)?)?)?;
        rest = after;
        Some((identifier, span))
    })
}

/// Bytes that the value at the start of `bytes` takes, by the type that table 2-4 gives its property.
fn value_size(identifier: u8, bytes: &[u8]) -> Option<usize> {
    match identifier {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => Some(1),
        0x13 | 0x21 | 0x22 | 0x23 => Some(2),
        0x02 | 0x11 | 0x18 | 0x27 => Some(4),
        0x0B => Some(1 + bytes.iter().take_while(|byte| **byte >= 0x80).count()),
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => prefixed_size(bytes),
        0x26 => {
            let name_size = prefixed_size(bytes)?;
            Some(name_size + prefixed_size(bytes.get(name_size..)?)?)
        }
        _ => None,
    }
}

/// Bytes of a string or binary value with its length of two bytes.
fn prefixed_size(bytes: &[u8]) -> Option<usize> {
    Some(2 + usize::from(u16::from_be_bytes(*bytes.first_chunk()?)))
}
