//! PUBLISH (section 3.3), the packet that a broker encodes most.

use super::connect::write_block_and;
use super::wire::{variable_byte_integer_size, write_variable_byte_integer};
use crate::codec::packet::{Publish, Qos, Version};
use crate::codec::properties::PublishProperties;
use crate::codec::property::{Property, identifier};

/// A PUBLISH on its way to a subscriber, without its payload.
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    pub version: Version,
    pub dup: bool,
    pub qos: Qos,
    pub retain: bool,
    /// Empty when `topic_alias` stands for it. At most 65,535 bytes, which only debug builds check: `topic::check_name`
    /// is for topics that do not come from a packet.
    pub topic: &'a str,
    /// Left out with QoS 0.
    pub packet_id: u16,
    pub message_expiry_s: Option<u32>,
    pub topic_alias: Option<u16>,
    pub subscription_ids: &'a [u32],
    /// Encoded properties to forward as they are; left out before 5.0, like the three above.
    pub properties: &'a [u8],
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// Bytes of the whole packet, payload included.
    #[inline]
    pub fn packet_size(&self) -> usize {
        let remaining_length = self.remaining_length(self.properties_len());
        1 + variable_byte_integer_size(remaining_length as u32) + remaining_length
    }

    /// Bytes of all properties, without their length.
    #[inline]
    fn properties_len(&self) -> usize {
        if self.version != Version::V5_0 {
            return 0;
        }
        let message_expiry = if self.message_expiry_s.is_some() { 5 } else { 0 };
        let topic_alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let subscription_ids: usize = self.subscription_ids.iter().map(|id| 1 + variable_byte_integer_size(*id)).sum();
        message_expiry + topic_alias + subscription_ids + self.properties.len()
    }

    #[inline]
    fn remaining_length(&self, properties_len: usize) -> usize {
        let packet_id = if self.qos == Qos::AtMostOnce { 0 } else { 2 };
        let properties = if self.version == Version::V5_0 {
            variable_byte_integer_size(properties_len as u32) + properties_len
        } else {
            0
        };
        2 + self.topic.len() + packet_id + properties + self.payload_len
    }
}

/// Appends everything of a PUBLISH but its payload.
///
/// Reserves room once for all of the head, and for the payload too if that is small: it is likely to follow.
#[inline]
pub fn publish_head(out: &mut Vec<u8>, head: &PublishHead<'_>) {
    debug_assert!(head.topic.len() <= usize::from(u16::MAX), "a topic of {} bytes", head.topic.len());
    let properties_len = head.properties_len();
    let remaining_length = head.remaining_length(properties_len);
    let head_len = 5 + remaining_length - head.payload_len;
    out.reserve(head_len + if head.payload_len < RESERVED_PAYLOAD_MAX { head.payload_len } else { 0 });

    out.push(first_byte(head.dup, head.qos, head.retain));
    write_variable_byte_integer(out, remaining_length as u32);
    out.extend_from_slice(&(head.topic.len() as u16).to_be_bytes());
    out.extend_from_slice(head.topic.as_bytes());
    if head.qos != Qos::AtMostOnce {
        out.extend_from_slice(&head.packet_id.to_be_bytes());
    }
    if head.version == Version::V5_0 {
        write_variable_byte_integer(out, properties_len as u32);
        if properties_len != 0 {
            write_properties(out, head);
        }
    }
}

/// Payloads below this many bytes are copied behind their head (`limits::SHARED_PAYLOAD_MIN`).
const RESERVED_PAYLOAD_MAX: usize = crate::limits::SHARED_PAYLOAD_MIN;

fn write_properties(out: &mut Vec<u8>, head: &PublishHead<'_>) {
    if let Some(message_expiry_s) = head.message_expiry_s {
        Property::MessageExpiryInterval(message_expiry_s).write(out);
    }
    if let Some(topic_alias) = head.topic_alias {
        Property::TopicAlias(topic_alias).write(out);
    }
    for id in head.subscription_ids {
        out.push(identifier::SUBSCRIPTION_IDENTIFIER);
        write_variable_byte_integer(out, *id);
    }
    out.extend_from_slice(head.properties);
}

/// A whole PUBLISH. The properties' block is written as it is, and the other fields after it if it does not hold them;
/// so a decoded packet is written as it came, and a packet can be built with a block of User Properties alone.
pub fn publish(out: &mut Vec<u8>, version: Version, packet: &Publish<'_>) {
    let mut properties = Vec::new();
    if version == Version::V5_0 {
        publish_properties(&mut properties, &packet.properties);
    }
    let head = PublishHead {
        version,
        dup: packet.dup,
        qos: packet.qos,
        retain: packet.retain,
        topic: packet.topic,
        packet_id: packet.packet_id,
        message_expiry_s: None,
        topic_alias: None,
        subscription_ids: &[],
        properties: &properties,
        payload_len: packet.payload.len(),
    };
    publish_head(out, &head);
    out.extend_from_slice(packet.payload);
}

/// The properties of a PUBLISH alone, without their length.
pub fn publish_properties(out: &mut Vec<u8>, properties: &PublishProperties<'_>) {
    let singles = [
        properties.payload_is_utf8.then_some(Property::PayloadFormatIndicator(true)),
        properties.message_expiry_s.map(Property::MessageExpiryInterval),
        properties.topic_alias.map(Property::TopicAlias),
        properties.response_topic.map(Property::ResponseTopic),
        properties.correlation_data.map(Property::CorrelationData),
        properties.subscription_id.map(Property::SubscriptionIdentifier),
        properties.content_type.map(Property::ContentType),
    ];
    write_block_and(out, properties.block, singles);
}

/// Type 3 and the flags of section 3.3.1.
#[inline]
fn first_byte(dup: bool, qos: Qos, retain: bool) -> u8 {
    0x30 | u8::from(dup) << 3 | (qos as u8) << 1 | u8::from(retain)
}
