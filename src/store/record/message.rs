//! Messages, in records of their own and in wills.

use bytes::Bytes;

use super::{Clock, Parts, RECORD_HEADER_MAX, encode_with};
use crate::broker::Message;
use crate::codec::Qos;
use crate::limits::SHARED_PAYLOAD_MIN;
use crate::store::format::u32_at;

/// Bytes of a message record without topic, properties and payload at most.
pub const MESSAGE_OVERHEAD_MAX: usize = RECORD_HEADER_MAX + 4 + 8 + 8 + 1 + 8 + 2 + 4;

const QOS_MASK: u8 = 3;
const MESSAGE_RETAIN: u8 = 4;
pub(super) const MESSAGE_EXPIRES: u8 = 8;

pub fn encode_message(bytes: &mut Vec<u8>, message: &Message, clock: Clock) {
    encode_with(bytes, 1, message_body_len(message), |bytes| encode_message_body(bytes, message, clock));
}

pub fn content_len(message: &Message) -> usize {
    message.topic().len() + message.properties().len() + message.payload().len()
}

pub(super) fn message_body_len(message: &Message) -> usize {
    let expiry_len = if message.expires_at.is_some() { 8 } else { 0 };
    4 + 8 + 8 + 1 + expiry_len + 2 + 4 + content_len(message)
}

pub(super) fn encode_message_body(bytes: &mut Vec<u8>, message: &Message, clock: Clock) {
    let start = bytes.len();
    let (topic, properties) = (message.topic(), message.properties());
    let mut flags = message.qos as u8;
    flags |= if message.retain { MESSAGE_RETAIN } else { 0 };
    flags |= if message.expires_at.is_some() { MESSAGE_EXPIRES } else { 0 };
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&message.stamp.to_le_bytes());
    bytes.extend_from_slice(&message.publisher_hash.to_le_bytes());
    bytes.push(flags);
    if let Some(time) = message.expires_at {
        bytes.extend_from_slice(&clock.to_wall(time).to_le_bytes());
    }
    bytes.extend_from_slice(&(topic.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&(properties.len() as u32).to_le_bytes());
    bytes.extend_from_slice(topic.as_bytes());
    bytes.extend_from_slice(properties);
    bytes.extend_from_slice(message.payload());
    let crc = crc32fast::hash(&bytes[start + 4..]);
    bytes[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// The message in the body of its record; `None` if that is damaged.
pub fn decode_message(body: &[u8], clock: Clock) -> Option<Message> {
    if crc32fast::hash(body.get(4..)?) != u32_at(body, 0) {
        return None;
    }
    let mut parts = Parts(&body[4..]);
    let (stamp, publisher_hash, flags) = (parts.u64()?, parts.u64()?, parts.u8()?);
    let expires_at = if flags & MESSAGE_EXPIRES != 0 { Some(clock.to_shards(parts.u64()?)) } else { None };
    let (topic_len, properties_len) = (parts.u16()?, parts.u32()?);
    let topic = std::str::from_utf8(parts.take(usize::from(topic_len))?).ok()?;
    let properties = parts.take(properties_len as usize)?;
    let (qos, retain) = (Qos::from_bits(flags & QOS_MASK)?, flags & MESSAGE_RETAIN != 0);
    let mut message = if parts.0.len() >= SHARED_PAYLOAD_MIN {
        Message::with_shared_payload(topic, properties, Bytes::copy_from_slice(parts.0), qos, retain)
    } else {
        Message::new(topic, properties, parts.0, qos, retain)
    };
    message.expires_at = expires_at;
    message.stamp = stamp;
    message.publisher_hash = publisher_hash;
    Some(message)
}
