//! Packets to bytes. Each function appends one whole packet to `out`.
//!
//! `packet_size_max` is the receiver's Maximum Packet Size: reason string and user properties are left out when the
//! packet would exceed it ([MQTT-3.2.2-19], [MQTT-3.2.2-20], [MQTT-3.4.2-2], ...).

use super::packet::{Ack, Auth, ConnAck, Connect, Disconnect, Publish, Qos, SubAck, Subscribe, Unsubscribe, Version};
use super::reason::ReasonCode;

/// What kind of acknowledgement [`ack`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// A PUBLISH on its way to a subscriber, without its payload.
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    pub version: Version,
    pub dup: bool,
    pub qos: Qos,
    pub retain: bool,
    /// Empty when `topic_alias` stands for it.
    pub topic: &'a str,
    pub packet_id: u16,
    pub message_expiry_s: Option<u32>,
    pub topic_alias: Option<u16>,
    pub subscription_ids: &'a [u32],
    /// Encoded properties to forward as they are; left out before 5.0.
    pub properties: &'a [u8],
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// Bytes of the whole packet, payload included.
    pub fn packet_size(&self) -> usize {
        unimplemented!()
    }
}

/// Appends everything of a PUBLISH but its payload.
pub fn publish_head(out: &mut Vec<u8>, head: &PublishHead<'_>) {
    let _ = (out, head);
    unimplemented!()
}

macro_rules! later { ($($n:ident($($a:ident: $t:ty),*);)*) => { $(pub fn $n(out: &mut Vec<u8>, $($a: $t),*) { let _ = (out, $($a),*); unimplemented!() })* } }
later! {
    connack(version: Version, packet: &ConnAck<'_>, packet_size_max: u32);
    ack(version: Version, kind: AckKind, packet: &Ack<'_>, packet_size_max: u32);
    suback(version: Version, packet: &SubAck<'_>, packet_size_max: u32);
    unsuback(version: Version, packet: &SubAck<'_>, packet_size_max: u32);
    disconnect(version: Version, packet: &Disconnect<'_>, packet_size_max: u32);
    auth(packet: &Auth<'_>, packet_size_max: u32);
    pingresp();
    pingreq();
    connect(packet: &Connect<'_>);
    publish(version: Version, packet: &Publish<'_>);
    subscribe(version: Version, packet: &Subscribe<'_>);
    unsubscribe(version: Version, packet: &Unsubscribe<'_>);
}

/// The four bytes that acknowledge a PUBLISH with success, the same in every version.
#[inline]
pub fn ack_success(out: &mut Vec<u8>, kind: AckKind, packet_id: u16) {
    let _ = (out, kind, packet_id, ReasonCode::Success);
    unimplemented!()
}
