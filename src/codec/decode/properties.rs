//! Which packet may carry which property (table 2-4), and into what they are decoded.

use super::Reader;
use crate::codec::properties::{
    AckProperties, ConnAckProperties, ConnectProperties, PublishProperties, SubscribeProperties, UserProperties,
    WillProperties,
};
use crate::codec::property::Property;
use crate::codec::violation::Violation;

pub(super) fn connect(block: &[u8]) -> Result<ConnectProperties<'_>, Violation> {
    let mut properties = ConnectProperties::default();
    properties.user_properties = read(block, |property| {
        match property {
            Property::SessionExpiryInterval(value) => properties.session_expiry_s = Some(value),
            Property::ReceiveMaximum(value) => properties.receive_maximum = Some(value),
            Property::MaximumPacketSize(value) => properties.packet_size_max = Some(value),
            Property::TopicAliasMaximum(value) => properties.topic_alias_max = Some(value),
            Property::RequestResponseInformation(value) => properties.request_response_information = value,
            Property::RequestProblemInformation(value) => properties.request_problem_information = Some(value),
            Property::AuthenticationMethod(value) => properties.authentication_method = Some(value),
            Property::AuthenticationData(value) => properties.authentication_data = Some(value),
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    if properties.authentication_data.is_some() && properties.authentication_method.is_none() {
        return Err(Violation::AuthenticationDataWithoutMethod);
    }
    Ok(properties)
}

pub(super) fn will(block: &[u8]) -> Result<WillProperties<'_>, Violation> {
    let mut properties = WillProperties { block, ..WillProperties::default() };
    read(block, |property| {
        match property {
            Property::WillDelayInterval(value) => properties.delay_s = value,
            Property::MessageExpiryInterval(value) => properties.message_expiry_s = Some(value),
            Property::PayloadFormatIndicator(value) => properties.payload_is_utf8 = value,
            Property::ContentType(_) | Property::CorrelationData(_) => {}
            Property::ResponseTopic(topic) => check_response_topic(topic)?,
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    Ok(properties)
}

pub(super) fn connack(block: &[u8]) -> Result<ConnAckProperties<'_>, Violation> {
    let mut properties = ConnAckProperties::default();
    properties.user_properties = read(block, |property| {
        match property {
            Property::SessionExpiryInterval(value) => properties.session_expiry_s = Some(value),
            Property::ReceiveMaximum(value) => properties.receive_maximum = Some(value),
            Property::MaximumQos(value) => properties.maximum_qos = Some(u8::from(value)),
            Property::RetainAvailable(value) => properties.retain_available = Some(value),
            Property::MaximumPacketSize(value) => properties.packet_size_max = Some(value),
            Property::AssignedClientIdentifier(value) => properties.assigned_client_id = Some(value),
            Property::TopicAliasMaximum(value) => properties.topic_alias_max = Some(value),
            Property::ReasonString(value) => properties.reason_string = Some(value),
            Property::WildcardSubscriptionAvailable(value) => properties.wildcard_subscription_available = Some(value),
            Property::SubscriptionIdentifiersAvailable(value) => {
                properties.subscription_identifiers_available = Some(value);
            }
            Property::SharedSubscriptionAvailable(value) => properties.shared_subscription_available = Some(value),
            Property::ServerKeepAlive(value) => properties.server_keep_alive_s = Some(value),
            Property::ResponseInformation(value) => properties.response_information = Some(value),
            Property::ServerReference(value) => properties.server_reference = Some(value),
            Property::AuthenticationMethod(value) => properties.authentication_method = Some(value),
            Property::AuthenticationData(value) => properties.authentication_data = Some(value),
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    Ok(properties)
}

pub(super) fn publish(block: &[u8]) -> Result<PublishProperties<'_>, Violation> {
    let mut properties = PublishProperties { block, ..PublishProperties::default() };
    read(block, |property| {
        match property {
            Property::PayloadFormatIndicator(value) => properties.payload_is_utf8 = value,
            Property::MessageExpiryInterval(value) => properties.message_expiry_s = Some(value),
            Property::TopicAlias(value) => properties.topic_alias = Some(value),
            Property::ResponseTopic(topic) => {
                check_response_topic(topic)?;
                properties.response_topic = Some(topic);
            }
            Property::CorrelationData(value) => properties.correlation_data = Some(value),
            Property::ContentType(value) => properties.content_type = Some(value),
            // One for each subscription that matched (section 3.3.2.3.8).
            Property::SubscriptionIdentifier(value) => {
                properties.subscription_id.get_or_insert(value);
            }
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    properties.forwardable = properties.message_expiry_s.is_none()
        && properties.topic_alias.is_none()
        && properties.subscription_id.is_none();
    Ok(properties)
}

pub(super) fn acknowledge(block: &[u8]) -> Result<AckProperties<'_>, Violation> {
    let mut reason_string = None;
    let user_properties = read(block, |property| {
        match property {
            Property::ReasonString(value) => reason_string = Some(value),
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    Ok(AckProperties { reason_string, user_properties })
}

pub(super) fn subscribe(block: &[u8]) -> Result<SubscribeProperties<'_>, Violation> {
    let mut subscription_id = None;
    let user_properties = read(block, |property| match property {
        // Only a PUBLISH can have several.
        Property::SubscriptionIdentifier(_) if subscription_id.is_some() => Err(Violation::PropertyDuplicate),
        Property::SubscriptionIdentifier(value) => {
            subscription_id = Some(value);
            Ok(())
        }
        _ => Err(Violation::PropertyNotAllowed),
    })?;
    Ok(SubscribeProperties { subscription_id, user_properties })
}

/// The properties of UNSUBSCRIBE are User Properties only (section 3.10.2.1).
pub(super) fn unsubscribe(block: &[u8]) -> Result<UserProperties<'_>, Violation> {
    read(block, |_| Err(Violation::PropertyNotAllowed))
}

/// Reads a block property by property. User Properties, which every block may have any number of, are returned; each
/// other one goes to `take`, once, except for the Subscription Identifier, whose number is up to `take`.
#[inline]
pub(super) fn read<'a>(
    block: &'a [u8],
    mut take: impl FnMut(Property<'a>) -> Result<(), Violation>,
) -> Result<UserProperties<'a>, Violation> {
    let mut reader = Reader::new(block);
    // All identifiers are below 64.
    let mut seen = 0_u64;
    let mut user_properties = None;
    while !reader.is_empty() {
        let start = block.len() - reader.remaining();
        let property = Property::read(&mut reader)?;
        match property {
            Property::User(..) => {
                let end = block.len() - reader.remaining();
                let (first, _) = user_properties.unwrap_or((start, end));
                user_properties = Some((first, end));
                continue;
            }
            Property::SubscriptionIdentifier(_) => {}
            _ => {
                let bit = 1 << property.identifier();
                if seen & bit != 0 {
                    return Err(Violation::PropertyDuplicate);
                }
                seen |= bit;
            }
        }
        take(property)?;
    }
    let block = user_properties.and_then(|(first, end)| block.get(first..end)).unwrap_or_default();
    Ok(UserProperties { block })
}

/// A Response Topic is a topic name ([MQTT-3.3.2-13], [MQTT-3.3.2-14]).
fn check_response_topic(topic: &str) -> Result<(), Violation> {
    if topic.is_empty() {
        return Err(Violation::ResponseTopicEmpty);
    }
    match crate::codec::topic::find_forbidden(topic.as_bytes()) {
        None => Ok(()),
        Some(_) => Err(Violation::ResponseTopicWildcard),
    }
}
