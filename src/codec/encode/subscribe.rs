//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8 and 3.10).

use super::wire::{write_option, write_packet, write_string, write_user_properties, write_with_length};
use crate::codec::packet::{Subscribe, SubscriptionOptions, Unsubscribe, Version};
use crate::codec::property::Property;

/// SUBSCRIBE. Before 5.0 only the QoS of the options is written.
pub fn subscribe(out: &mut Vec<u8>, version: Version, packet: &Subscribe<'_>) {
    write_packet(out, 0x82, |out| {
        out.extend_from_slice(&packet.packet_id.to_be_bytes());
        if version == Version::V5_0 {
            write_with_length(out, |out| {
                write_option(out, packet.properties.subscription_id.map(Property::SubscriptionIdentifier));
                write_user_properties(out, packet.properties.user_properties);
            });
        }
        for filter in &packet.filters {
            write_string(out, filter.filter);
            out.push(options(version, filter.options));
        }
    });
}

/// UNSUBSCRIBE.
pub fn unsubscribe(out: &mut Vec<u8>, version: Version, packet: &Unsubscribe<'_>) {
    write_packet(out, 0xA2, |out| {
        out.extend_from_slice(&packet.packet_id.to_be_bytes());
        if version == Version::V5_0 {
            write_with_length(out, |out| write_user_properties(out, packet.user_properties));
        }
        for filter in &packet.filters {
            write_string(out, filter);
        }
    });
}

fn options(version: Version, options: SubscriptionOptions) -> u8 {
    if version != Version::V5_0 {
        return options.qos as u8;
    }
    options.qos as u8
        | u8::from(options.no_local) << 2
        | u8::from(options.retain_as_published) << 3
        | (options.retain_handling as u8) << 4
}
