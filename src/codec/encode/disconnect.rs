//! DISCONNECT and AUTH (sections 3.14 and 3.15).

use super::wire::{Explanation, write_option, write_packet, write_with_length, write_within};
use crate::codec::packet::{Auth, Disconnect, Version};
use crate::codec::property::Property;
use crate::codec::reason::ReasonCode;

/// DISCONNECT. Before 5.0 it has neither reason nor properties, and only clients may send it.
pub fn disconnect(out: &mut Vec<u8>, version: Version, packet: &Disconnect<'_>, packet_size_max: u32) {
    if version != Version::V5_0 {
        out.extend_from_slice(&[0xE0, 0]);
        return;
    }
    let explanation = Explanation { reason_string: packet.reason_string, user_properties: packet.user_properties };
    let singles = [
        packet.session_expiry_s.map(Property::SessionExpiryInterval),
        packet.server_reference.map(Property::ServerReference),
    ];
    write(out, 0xE0, packet.reason, &singles, explanation, packet_size_max);
}

/// AUTH, which only 5.0 has.
pub fn auth(out: &mut Vec<u8>, packet: &Auth<'_>, packet_size_max: u32) {
    let explanation = Explanation { reason_string: packet.reason_string, user_properties: packet.user_properties };
    let singles = [packet.method.map(Property::AuthenticationMethod), packet.data.map(Property::AuthenticationData)];
    write(out, 0xF0, packet.reason, &singles, explanation, packet_size_max);
}

fn write(
    out: &mut Vec<u8>,
    first_byte: u8,
    reason: ReasonCode,
    singles: &[Option<Property<'_>>],
    explanation: Explanation<'_>,
    packet_size_max: u32,
) {
    write_within(out, packet_size_max, explanation, |out, explanation| {
        let has_properties = !explanation.is_empty() || singles.iter().any(Option::is_some);
        write_packet(out, first_byte, |out| {
            // A success without properties can leave out everything (sections 3.14.2.1 and 3.15.2.1). The property
            // length is written in all other cases, because AUTH may not leave it out alone.
            if has_properties || reason != ReasonCode::Success {
                out.push(reason as u8);
                write_with_length(out, |out| {
                    for property in singles {
                        write_option(out, *property);
                    }
                    explanation.write(out);
                });
            }
        });
    });
}
