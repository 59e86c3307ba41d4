//! PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK (sections 3.4 to 3.7, 3.9 and 3.11).

use super::wire::{Explanation, write_packet, write_with_length, write_within};
use crate::codec::packet::{Ack, SubAck, Version};
use crate::codec::properties::AckProperties;
use crate::codec::reason::ReasonCode;

/// What kind of acknowledgement [`ack`] writes. The value is the packet's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AckKind {
    PubAck = 0x40,
    PubRec = 0x50,
    PubRel = 0x62,
    PubComp = 0x70,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP. Before 5.0 nothing but the packet identifier is written.
pub fn ack(out: &mut Vec<u8>, version: Version, kind: AckKind, packet: &Ack<'_>, packet_size_max: u32) {
    if version != Version::V5_0 {
        return ack_success(out, kind, packet.packet_id);
    }
    write_within(out, packet_size_max, explanation(&packet.properties), |out, explanation| {
        if explanation.is_empty() && packet.reason == ReasonCode::Success {
            return ack_success(out, kind, packet.packet_id);
        }
        write_packet(out, kind as u8, |out| {
            out.extend_from_slice(&packet.packet_id.to_be_bytes());
            out.push(packet.reason as u8);
            // Without properties their length can be left out (section 3.4.2.2.1).
            if !explanation.is_empty() {
                write_with_length(out, |out| explanation.write(out));
            }
        });
    });
}

/// The four bytes that acknowledge a PUBLISH with success, the same in every version.
#[inline]
pub fn ack_success(out: &mut Vec<u8>, kind: AckKind, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.extend_from_slice(&[kind as u8, 2, high, low]);
}

/// SUBACK. Before 5.0 every error becomes 0x80.
pub fn suback(out: &mut Vec<u8>, version: Version, packet: &SubAck<'_>, packet_size_max: u32) {
    if version == Version::V5_0 {
        return write_with_reasons(out, 0x90, packet, packet_size_max);
    }
    write_packet(out, 0x90, |out| {
        out.extend_from_slice(&packet.packet_id.to_be_bytes());
        out.extend(packet.reasons.iter().map(|code| if *code >= 0x80 { 0x80 } else { *code }));
    });
}

/// UNSUBACK. Before 5.0 nothing but the packet identifier is written.
pub fn unsuback(out: &mut Vec<u8>, version: Version, packet: &SubAck<'_>, packet_size_max: u32) {
    if version == Version::V5_0 {
        return write_with_reasons(out, 0xB0, packet, packet_size_max);
    }
    write_packet(out, 0xB0, |out| out.extend_from_slice(&packet.packet_id.to_be_bytes()));
}

fn write_with_reasons(out: &mut Vec<u8>, first_byte: u8, packet: &SubAck<'_>, packet_size_max: u32) {
    write_within(out, packet_size_max, explanation(&packet.properties), |out, explanation| {
        write_packet(out, first_byte, |out| {
            out.extend_from_slice(&packet.packet_id.to_be_bytes());
            write_with_length(out, |out| explanation.write(out));
            out.extend_from_slice(packet.reasons);
        });
    });
}

fn explanation<'a>(properties: &AckProperties<'a>) -> Explanation<'a> {
    Explanation { reason_string: properties.reason_string, user_properties: properties.user_properties }
}
