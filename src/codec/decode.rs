//! One frame to one packet.
//!
//! Checks all rules that one packet can show to be broken by itself. What needs the connection's state (is this the
//! first packet, is the alias known, may a client send this at all) is the broker's to check.

mod acknowledge;
mod connack;
mod connect;
mod disconnect;
mod properties;
mod publish;
mod reader;
mod subscribe;

use super::frame::Frame;
use super::packet::{Packet, Version};
use super::violation::Violation;

pub use acknowledge::puback;
pub use connect::{connect, connect_version};
pub use publish::{publish, publish_properties};
pub(super) use reader::Reader;

/// Decodes any packet but CONNECT, whose version is its own: `version` is ignored there.
pub fn decode<'a>(frame: Frame<'a>, version: Version) -> Result<Packet<'a>, Violation> {
    let Frame { first_byte, body } = frame;
    if first_byte >> 4 == 3 {
        return publish(frame, version).map(Packet::Publish);
    }
    check_flags(first_byte, version)?;
    let mut reader = Reader::new(body);
    let reader = &mut reader;
    let packet = match first_byte >> 4 {
        1 => Packet::Connect(connect::read(reader)?),
        2 => Packet::ConnAck(connack::read(reader, version)?),
        4 => Packet::PubAck(acknowledge::read_puback(reader, version)?),
        5 => Packet::PubRec(acknowledge::read_puback(reader, version)?),
        6 => Packet::PubRel(acknowledge::read_pubrel(reader, version)?),
        7 => Packet::PubComp(acknowledge::read_pubrel(reader, version)?),
        8 => Packet::Subscribe(subscribe::read_subscribe(reader, version)?),
        9 => Packet::SubAck(subscribe::read_suback(reader, version)?),
        10 => Packet::Unsubscribe(subscribe::read_unsubscribe(reader, version)?),
        11 => Packet::UnsubAck(subscribe::read_unsuback(reader, version)?),
        12 => Packet::PingReq,
        13 => Packet::PingResp,
        14 => Packet::Disconnect(disconnect::read_disconnect(reader, version)?),
        15 if version == Version::V5_0 => Packet::Auth(disconnect::read_auth(reader)?),
        _ => return Err(Violation::PacketTypeReserved),
    };
    reader.finish()?;
    Ok(packet)
}

/// Checks the flags of the fixed header of any packet but PUBLISH (section 2.1.3).
fn check_flags(first_byte: u8, version: Version) -> Result<(), Violation> {
    let flags = first_byte & 0x0F;
    let is_right = match first_byte >> 4 {
        // PUBREL, SUBSCRIBE and UNSUBSCRIBE were messages of QoS 1 in MQTT 3.1, that could be sent again with DUP.
        6 | 8 | 10 if version == Version::V3_1 => flags & 0b0111 == 0b0010,
        6 | 8 | 10 => flags == 0b0010,
        // The type itself is what is wrong with these.
        0 => true,
        15 if version != Version::V5_0 => true,
        _ => flags == 0,
    };
    if is_right { Ok(()) } else { Err(Violation::HeaderFlagsReserved) }
}
