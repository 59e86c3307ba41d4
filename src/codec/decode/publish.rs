//! PUBLISH (section 3.3), the packet that a broker decodes most.

use super::{Reader, properties};
use crate::codec::frame::Frame;
use crate::codec::packet::{Publish, Qos, Version};
use crate::codec::properties::PublishProperties;
use crate::codec::violation::Violation;

/// Decodes the properties of a PUBLISH that have come without it.
pub fn publish_properties(block: &[u8]) -> Result<PublishProperties<'_>, Violation> {
    properties::publish(block)
}

/// Decodes a frame whose type is PUBLISH; the type is not looked at. Allocates nothing.
///
/// A Subscription Identifier, which only servers send ([MQTT-3.3.4-6]), is left to the caller to refuse.
#[inline]
pub fn publish<'a>(frame: Frame<'a>, version: Version) -> Result<Publish<'a>, Violation> {
    let Some(qos) = Qos::from_bits((frame.first_byte >> 1) & 0b11) else { return Err(Violation::QosInvalid) };
    let dup = frame.first_byte & 0b1000 != 0;
    if dup && qos == Qos::AtMostOnce {
        return Err(Violation::DupWithQos0);
    }
    let mut reader = Reader::new(frame.body);
    let topic = reader.topic_name()?;
    let packet_id = if qos == Qos::AtMostOnce { 0 } else { reader.packet_identifier()? };
    let block = if version == Version::V5_0 { reader.property_block()? } else { &[] };
    let properties = if block.is_empty() { PublishProperties::default() } else { properties::publish(block)? };
    if topic.is_empty() && properties.topic_alias.is_none() {
        return Err(if version == Version::V5_0 { Violation::TopicNameMissing } else { Violation::TopicNameEmpty });
    }
    let retain = frame.first_byte & 0b0001 != 0;
    Ok(Publish { dup, qos, retain, topic, packet_id, properties, payload: reader.rest() })
}
