//! CONNECT (section 3.1).

use super::wire::{write_binary, write_option, write_packet, write_string, write_user_properties, write_with_length};
use crate::codec::packet::{Connect, Version, Will};
use crate::codec::properties::{ConnectProperties, WillProperties};
use crate::codec::property::{Property, spans};

/// CONNECT of the version that it names. The will's block is written as it is, and delay, expiry and payload format
/// after it if it does not hold them.
pub fn connect(out: &mut Vec<u8>, packet: &Connect<'_>) {
    let bridge = if packet.bridge { 0x80 } else { 0 };
    write_packet(out, 0x10, |out| {
        write_string(out, if packet.version == Version::V3_1 { "MQIsdp" } else { "MQTT" });
        out.push(packet.version as u8 | bridge);
        out.push(connect_flags(packet));
        out.extend_from_slice(&packet.keep_alive_s.to_be_bytes());
        if packet.version == Version::V5_0 {
            write_with_length(out, |out| write_connect_properties(out, &packet.properties));
        }
        write_string(out, packet.client_id);
        if let Some(will) = &packet.will {
            write_will(out, packet.version, will);
        }
        if let Some(user_name) = packet.user_name {
            write_string(out, user_name);
        }
        if let Some(password) = packet.password {
            write_binary(out, password);
        }
    });
}

fn connect_flags(packet: &Connect<'_>) -> u8 {
    let will = packet.will.as_ref();
    u8::from(packet.clean_start) << 1
        | u8::from(will.is_some()) << 2
        | will.map_or(0, |will| will.qos as u8) << 3
        | u8::from(will.is_some_and(|will| will.retain)) << 5
        | u8::from(packet.password.is_some()) << 6
        | u8::from(packet.user_name.is_some()) << 7
}

fn write_connect_properties(out: &mut Vec<u8>, properties: &ConnectProperties<'_>) {
    let request_response_information = properties.request_response_information.then_some(true);
    let singles = [
        properties.session_expiry_s.map(Property::SessionExpiryInterval),
        properties.receive_maximum.map(Property::ReceiveMaximum),
        properties.packet_size_max.map(Property::MaximumPacketSize),
        properties.topic_alias_max.map(Property::TopicAliasMaximum),
        request_response_information.map(Property::RequestResponseInformation),
        properties.request_problem_information.map(Property::RequestProblemInformation),
        properties.authentication_method.map(Property::AuthenticationMethod),
        properties.authentication_data.map(Property::AuthenticationData),
    ];
    for property in singles {
        write_option(out, property);
    }
    write_user_properties(out, properties.user_properties);
}

fn write_will(out: &mut Vec<u8>, version: Version, will: &Will<'_>) {
    if version == Version::V5_0 {
        write_with_length(out, |out| write_will_properties(out, &will.properties));
    }
    write_string(out, will.topic);
    write_binary(out, will.payload);
}

fn write_will_properties(out: &mut Vec<u8>, properties: &WillProperties<'_>) {
    let singles = [
        (properties.delay_s != 0).then_some(Property::WillDelayInterval(properties.delay_s)),
        properties.message_expiry_s.map(Property::MessageExpiryInterval),
        properties.payload_is_utf8.then_some(Property::PayloadFormatIndicator(true)),
    ];
    write_block_and(out, properties.block, singles);
}

/// Appends the block as it is, and those of `properties` that it does not hold.
pub(super) fn write_block_and<'a>(
    out: &mut Vec<u8>,
    block: &[u8],
    properties: impl IntoIterator<Item = Option<Property<'a>>>,
) {
    out.extend_from_slice(block);
    let held = spans(block).fold(0_u64, |held, (identifier, _)| held | 1 << (identifier & 63));
    for property in properties.into_iter().flatten() {
        if held & 1 << property.identifier() == 0 {
            property.write(out);
        }
    }
}
