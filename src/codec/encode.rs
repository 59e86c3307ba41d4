//! Packets to bytes. Each function appends one whole packet to `out`.
//!
//! `packet_size_max` is the receiver's Maximum Packet Size: reason string and user properties are left out when the
//! packet would exceed it ([MQTT-3.2.2-19], [MQTT-3.2.2-20], [MQTT-3.4.2-2], ...). What must be sent is written
//! whatever its size; the caller sees from the length of `out` when that is too much for the receiver.
//!
//! A string or binary value of more than 65,535 bytes cannot be expressed: giving one is a bug of the caller, which debug
//! builds assert and release builds cut off; but for the topic of a [`PublishHead`], see there.

mod acknowledge;
mod connack;
mod connect;
mod disconnect;
mod publish;
mod subscribe;
mod wire;

use super::packet::{Packet, Version};

pub use acknowledge::{AckKind, ack, ack_success, suback, unsuback};
pub use connack::connack;
pub use connect::connect;
pub use disconnect::{auth, disconnect};
pub use publish::{PublishHead, publish, publish_head, publish_properties};
pub use subscribe::{subscribe, unsubscribe};
pub(super) use wire::{write_binary, write_string, write_variable_byte_integer};

/// PINGREQ (section 3.12).
pub fn pingreq(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xC0, 0]);
}

/// PINGRESP (section 3.13).
pub fn pingresp(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0xD0, 0]);
}

/// Any packet, by the function for its type. `version` is ignored for CONNECT, which has its own.
pub fn packet(out: &mut Vec<u8>, version: Version, packet: &Packet<'_>, packet_size_max: u32) {
    match packet {
        Packet::Connect(packet) => connect(out, packet),
        Packet::ConnAck(packet) => connack(out, version, packet, packet_size_max),
        Packet::Publish(packet) => publish(out, version, packet),
        Packet::PubAck(packet) => ack(out, version, AckKind::PubAck, packet, packet_size_max),
        Packet::PubRec(packet) => ack(out, version, AckKind::PubRec, packet, packet_size_max),
        Packet::PubRel(packet) => ack(out, version, AckKind::PubRel, packet, packet_size_max),
        Packet::PubComp(packet) => ack(out, version, AckKind::PubComp, packet, packet_size_max),
        Packet::Subscribe(packet) => subscribe(out, version, packet),
        Packet::SubAck(packet) => suback(out, version, packet, packet_size_max),
        Packet::Unsubscribe(packet) => unsubscribe(out, version, packet),
        Packet::UnsubAck(packet) => unsuback(out, version, packet, packet_size_max),
        Packet::PingReq => pingreq(out),
        Packet::PingResp => pingresp(out),
        Packet::Disconnect(packet) => disconnect(out, version, packet, packet_size_max),
        Packet::Auth(packet) => auth(out, packet, packet_size_max),
    }
}
