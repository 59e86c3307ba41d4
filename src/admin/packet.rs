//! A traced packet as JSON: what each type of packet has to say to somebody who looks for a mistake.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::clients::shown_address;
use crate::broker::trace::{Direction, Fate, TracedPacket};
use crate::codec::frame::{self, Frame};
use crate::codec::{Ack, Packet, Publish, ReasonCode, Version, decode};
use crate::limits::{TRACED_ALIASES_MAX, TRACED_CONNECTIONS_MAX};
use crate::runtime::ServerHandle;

/// Understands the packets of one trace in their order: topic aliases mean what earlier packets have said.
pub struct PacketReader {
    server: ServerHandle,
    /// Show the packets themselves.
    with_bytes: bool,
    /// By shard and connection, and by direction.
    aliases: HashMap<(usize, String, bool), HashMap<u16, String>>,
}

#[derive(Default, Serialize)]
pub struct ShownPacket {
    /// Milliseconds since 1970, and the same in microseconds.
    time_ms: u64,
    time_us: u64,
    shard: usize,
    /// Empty if no client has published it.
    client_id: String,
    /// Tells connections of the shard apart.
    connection: Option<String>,
    /// Where the client connects from, as in the list of clients; `null` if it is not connected.
    address: Option<String>,
    protocol: &'static str,
    direction: &'static str,
    packet: &'static str,
    #[serde(flatten)]
    content: Content,
    /// Of the whole packet, in bytes.
    size: usize,
    #[serde(skip_serializing_if = "is_false")]
    is_truncated: bool,
    /// The packet has no bytes of its own: it was made from the message.
    #[serde(skip_serializing_if = "is_false")]
    is_made: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_base64: Option<String>,
}

/// What a packet has of these.
#[derive(Default, Serialize)]
#[serde(default)]
struct Content {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic_alias: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retain: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_id: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_size: Option<usize>,
    /// The name of the reason code, or what became of a publish for the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_string: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Vec<String>>,
    /// One for each filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean_start: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_present: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive_s: Option<u16>,
}

/// By the numbers of the packet types (section 2.1.2).
const PACKET_TYPES: [&str; 16] = [
    "RESERVED",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

impl PacketReader {
    pub fn new(server: ServerHandle, with_bytes: bool) -> Self {
        Self { server, with_bytes, aliases: HashMap::new() }
    }

    pub fn shown(&mut self, shard: usize, packet: &TracedPacket) -> ShownPacket {
        let first_byte = packet.bytes.first().copied().unwrap_or(0);
        let connection = packet.connection.map(|id| format!("{}.{}", id.slot, id.generation));
        let mut content = content(packet);
        if let Some(alias) = content.topic_alias
            && let Some(connection) = &connection
        {
            self.resolve(shard, connection, packet.direction, alias, &mut content.topic);
        }
        let time_us = self.server.wall_us(packet.at_ns);
        ShownPacket {
            time_ms: time_us / 1_000,
            time_us,
            shard,
            client_id: packet.client_id.to_string(),
            connection,
            address: packet.address.map(shown_address),
            protocol: protocol(packet.version),
            direction: if packet.direction == Direction::In { "in" } else { "out" },
            packet: PACKET_TYPES.get(usize::from(first_byte >> 4)).copied().unwrap_or_default(),
            content,
            size: packet.size,
            is_truncated: packet.bytes.len() < packet.size,
            is_made: packet.is_made,
            bytes_base64: self.with_bytes.then(|| STANDARD.encode(&packet.bytes)),
        }
    }

    /// The topic that an alias stands for, if the packet that said so was traced.
    fn resolve(
        &mut self,
        shard: usize,
        connection: &str,
        direction: Direction,
        alias: u16,
        topic: &mut Option<String>,
    ) {
        let key = (shard, connection.to_owned(), direction == Direction::In);
        if self.aliases.len() >= TRACED_CONNECTIONS_MAX && !self.aliases.contains_key(&key) {
            self.aliases.clear();
        }
        let known = self.aliases.entry(key).or_default();
        match topic {
            Some(topic) if !topic.is_empty() => {
                if known.len() < TRACED_ALIASES_MAX || known.contains_key(&alias) {
                    known.insert(alias, topic.clone());
                }
            }
            _ => *topic = known.get(&alias).cloned(),
        }
    }
}

/// What a packet says; nothing if it cannot be understood.
fn content(packet: &TracedPacket) -> Content {
    let Ok(Some(header)) = frame::header(&packet.bytes, u32::MAX) else { return Content::default() };
    // A packet that was cut has lost a part of its payload.
    let body = packet.bytes.get(header.header_size..).unwrap_or_default();
    let Ok(decoded) = decode::decode(Frame { first_byte: header.first_byte, body }, packet.version) else {
        return Content::default();
    };
    let mut content = of_packet(&decoded);
    if let Some(payload_size) = &mut content.payload_size {
        *payload_size += packet.size - packet.bytes.len();
    }
    if packet.is_made {
        content.packet_id = None;
    }
    if let Some(fate) = packet.fate {
        content.reason = Some(fate_name(fate).into());
    }
    content
}

fn of_packet(packet: &Packet<'_>) -> Content {
    match packet {
        Packet::Connect(connect) => Content {
            user_name: connect.user_name.map(str::to_owned),
            clean_start: Some(connect.clean_start),
            keep_alive_s: Some(connect.keep_alive_s),
            topic: connect.will.as_ref().map(|will| will.topic.to_owned()),
            ..Content::default()
        },
        Packet::ConnAck(connack) => Content {
            session_present: Some(connack.session_present),
            reason_string: connack.properties.reason_string.map(str::to_owned),
            ..of_reason(connack.reason)
        },
        Packet::Publish(publish) => of_publish(publish),
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => of_ack(ack),
        Packet::Subscribe(subscribe) => Content {
            packet_id: Some(subscribe.packet_id),
            filters: Some(subscribe.filters.iter().map(|it| it.filter.to_owned()).collect()),
            ..Content::default()
        },
        Packet::SubAck(suback) | Packet::UnsubAck(suback) => Content {
            packet_id: Some(suback.packet_id),
            reasons: Some(suback.reasons.iter().map(|code| code_name(*code)).collect()),
            reason_string: suback.properties.reason_string.map(str::to_owned),
            ..Content::default()
        },
        Packet::Unsubscribe(unsubscribe) => Content {
            packet_id: Some(unsubscribe.packet_id),
            filters: Some(unsubscribe.filters.iter().map(|filter| (*filter).to_owned()).collect()),
            ..Content::default()
        },
        Packet::PingReq | Packet::PingResp => Content::default(),
        Packet::Disconnect(disconnect) => {
            Content { reason_string: disconnect.reason_string.map(str::to_owned), ..of_reason(disconnect.reason) }
        }
        Packet::Auth(auth) => of_reason(auth.reason),
    }
}

fn of_publish(publish: &Publish<'_>) -> Content {
    Content {
        topic: Some(publish.topic.to_owned()),
        topic_alias: publish.properties.topic_alias,
        qos: Some(publish.qos as u8),
        retain: Some(publish.retain),
        duplicate: Some(publish.dup),
        packet_id: (publish.packet_id != 0).then_some(publish.packet_id),
        payload_size: Some(publish.payload.len()),
        ..Content::default()
    }
}

fn of_ack(ack: &Ack<'_>) -> Content {
    Content {
        packet_id: Some(ack.packet_id),
        reason_string: ack.properties.reason_string.map(str::to_owned),
        ..of_reason(ack.reason)
    }
}

fn of_reason(reason: ReasonCode) -> Content {
    Content { reason: Some(reason_name(reason)), ..Content::default() }
}

fn code_name(code: u8) -> String {
    ReasonCode::from_u8(code).map_or_else(|| format!("0x{code:02X}"), reason_name)
}

/// The specification's name of a reason code in lower case: `not_authorized`.
pub fn reason_name(reason: ReasonCode) -> String {
    let name = format!("{reason:?}");
    let mut out = String::with_capacity(name.len() + 4);
    for (place, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn fate_name(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "sent",
        Fate::Queued => "queued",
        Fate::Held => "waits_for_retained",
        Fate::Dropped(reason) => reason.name(),
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::V3_1 => "3.1",
        Version::V3_1_1 => "3.1.1",
        Version::V5_0 => "5.0",
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
