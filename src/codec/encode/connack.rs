//! CONNACK (section 3.2).

use super::wire::{Explanation, write_option, write_packet, write_with_length, write_within};
use crate::codec::packet::{ConnAck, Version};
use crate::codec::properties::ConnAckProperties;
use crate::codec::property::Property;

/// CONNACK. Before 5.0 the return code nearest in meaning is written, 3 (server unavailable) if there is none, and in
/// MQTT 3.1 no Session Present.
pub fn connack(out: &mut Vec<u8>, version: Version, packet: &ConnAck<'_>, packet_size_max: u32) {
    if version != Version::V5_0 {
        let session_present = packet.session_present && version != Version::V3_1;
        let return_code = packet.reason.connect_return_code().unwrap_or(3);
        out.extend_from_slice(&[0x20, 2, u8::from(session_present), return_code]);
        return;
    }
    let properties = &packet.properties;
    let explanation =
        Explanation { reason_string: properties.reason_string, user_properties: properties.user_properties };
    write_within(out, packet_size_max, explanation, |out, explanation| {
        write_packet(out, 0x20, |out| {
            out.extend_from_slice(&[u8::from(packet.session_present), packet.reason as u8]);
            write_with_length(out, |out| {
                write_properties(out, properties);
                explanation.write(out);
            });
        });
    });
}

/// Appends all properties but reason string and user properties.
fn write_properties(out: &mut Vec<u8>, properties: &ConnAckProperties<'_>) {
    let properties = [
        properties.session_expiry_s.map(Property::SessionExpiryInterval),
        properties.receive_maximum.map(Property::ReceiveMaximum),
        properties.maximum_qos.map(|qos| Property::MaximumQos(qos != 0)),
        properties.retain_available.map(Property::RetainAvailable),
        properties.packet_size_max.map(Property::MaximumPacketSize),
        properties.assigned_client_id.map(Property::AssignedClientIdentifier),
        properties.topic_alias_max.map(Property::TopicAliasMaximum),
        properties.wildcard_subscription_available.map(Property::WildcardSubscriptionAvailable),
        properties.subscription_identifiers_available.map(Property::SubscriptionIdentifiersAvailable),
        properties.shared_subscription_available.map(Property::SharedSubscriptionAvailable),
        properties.server_keep_alive_s.map(Property::ServerKeepAlive),
        properties.response_information.map(Property::ResponseInformation),
        properties.server_reference.map(Property::ServerReference),
        properties.authentication_method.map(Property::AuthenticationMethod),
        properties.authentication_data.map(Property::AuthenticationData),
    ];
    for property in properties {
        write_option(out, property);
    }
}
