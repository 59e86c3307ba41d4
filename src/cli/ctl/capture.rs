//! Traced packets as a pcapng file (draft-ietf-opsawg-pcapng), each in a TCP segment of its own.
//!
//! The segments were never on a wire: a TLS or WebSocket client's packets are shown as they are inside of that. The server is always at
//! port 1883, so that Wireshark knows what it sees without being told. It has to know the version too, and takes it from CONNECT; for a connection that
//! began before the trace one is made, and says so in a comment. Checksums are 0, as where a network card computes them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::table::number;

/// LINKTYPE_RAW: a packet begins with its IP header.
const LINK_TYPE: u16 = 101;
const SECTION_HEADER_BLOCK: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION_BLOCK: u32 = 1;
const ENHANCED_PACKET_BLOCK: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const OPTION_COMMENT: u16 = 1;

/// Addresses for documentation (RFC 5737, RFC 3849): the server, and clients that have none.
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const UNKNOWN_CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const SERVER_PORT: u16 = 1_883;
/// The first of the ports that are nobody's (RFC 6335).
const UNKNOWN_PORT: u16 = 49_152;

/// Bytes of MQTT in one segment: with its headers it fits into an IP packet.
const SEGMENT_SIZE_MAX: usize = 32 * 1024;
/// Connections that are told apart at a time; then all begin anew.
const CONVERSATIONS_MAX: usize = 65_536;

const MADE_CONNECT: &str = "made for this file: the connection began before the trace";
const MADE_PUBLISH: &str =
    "made from the message for the trace: packet identifier and version are not the connection's";

pub struct Capture<W> {
    out: W,
    /// By shard and connection.
    conversations: HashMap<(u64, String), Conversation>,
}

#[derive(Debug)]
struct Conversation {
    client: SocketAddr,
    /// The next bytes from the client and from the server have these numbers.
    sequence: [u32; 2],
}

impl<W: Write> Capture<W> {
    /// Begins a file.
    pub fn new(mut out: W) -> io::Result<Self> {
        // Version 1.0, a section of unknown length.
        let mut section = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
        section.extend([1, 0, 0, 0]);
        section.extend((-1_i64).to_le_bytes());
        write_block(&mut out, SECTION_HEADER_BLOCK, &section)?;
        // No bound on the size of a packet; times are in microseconds unless an option says otherwise.
        let mut interface = LINK_TYPE.to_le_bytes().to_vec();
        interface.extend([0; 6]);
        write_block(&mut out, INTERFACE_DESCRIPTION_BLOCK, &interface)?;
        out.flush()?;
        Ok(Self { out, conversations: HashMap::new() })
    }

    /// Adds a packet of a trace with bytes. What was on no connection is left out.
    pub fn packet(&mut self, line: &Json) -> io::Result<()> {
        let is_unsent = line["direction"] == "out" && line["is_made"] == true && line["reason"] != "sent";
        let (Some(connection), false) = (line["connection"].as_str(), is_unsent) else { return Ok(()) };
        let bytes = line["bytes_base64"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let time_us = number(&line["time_us"]);
        let key = (number(&line["shard"]), connection.to_owned());
        if self.conversations.len() >= CONVERSATIONS_MAX {
            self.conversations.clear();
        }
        let port = UNKNOWN_PORT + (self.conversations.len() % 16_384) as u16;
        let mut conversation = self.conversations.remove(&key);
        if conversation.is_none() {
            let client_id = line["client_id"].as_str().unwrap_or_default();
            let address = line["address"].as_str().and_then(|address| address.parse().ok());
            let client = address.unwrap_or((UNKNOWN_CLIENT, port).into());
            let mut new = Conversation { client, sequence: [1; 2] };
            if line["packet"] != "CONNECT" {
                let made = connect(line["protocol"].as_str().unwrap_or_default(), client_id);
                for part in made.chunks(SEGMENT_SIZE_MAX) {
                    self.segment(&mut new, time_us, true, part, Some(MADE_CONNECT))?;
                }
            }
            conversation = Some(new);
        }
        let Some(mut conversation) = conversation else { return Ok(()) };
        let is_from_client = line["direction"] == "in";
        let comment = (line["is_made"] == true).then_some(MADE_PUBLISH);
        for part in bytes.chunks(SEGMENT_SIZE_MAX) {
            self.segment(&mut conversation, time_us, is_from_client, part, comment)?;
        }
        // What the trace has not kept is a gap.
        let missing = number(&line["size"]).saturating_sub(bytes.len() as u64);
        let sequence = &mut conversation.sequence[usize::from(!is_from_client)];
        *sequence = sequence.wrapping_add(missing as u32);
        self.conversations.insert(key, conversation);
        self.out.flush()
    }

    fn segment(
        &mut self,
        conversation: &mut Conversation,
        time_us: u64,
        is_from_client: bool,
        payload: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        let frame = frame(conversation, is_from_client, payload);
        let sequence = &mut conversation.sequence[usize::from(!is_from_client)];
        *sequence = sequence.wrapping_add(payload.len() as u32);
        let size = (frame.len() as u32).to_le_bytes();
        let mut block = vec![0; 4];
        block.extend(((time_us >> 32) as u32).to_le_bytes());
        block.extend((time_us as u32).to_le_bytes());
        block.extend([size, size].concat());
        block.extend(frame);
        pad(&mut block);
        if let Some(comment) = comment {
            block.extend(OPTION_COMMENT.to_le_bytes());
            block.extend((comment.len() as u16).to_le_bytes());
            block.extend(comment.bytes());
            pad(&mut block);
            // opt_endofopt
            block.extend([0; 4]);
        }
        write_block(&mut self.out, ENHANCED_PACKET_BLOCK, &block)
    }
}

fn write_block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let size = (body.len() as u32 + 12).to_le_bytes();
    out.write_all(&[&kind.to_le_bytes()[..], &size, body, &size].concat())
}

fn pad(block: &mut Vec<u8>) {
    block.resize(block.len().next_multiple_of(4), 0);
}

/// An IP packet (RFC 791, RFC 8200) with a TCP segment (RFC 9293, section 3.1).
fn frame(Conversation { client, sequence }: &Conversation, is_from_client: bool, payload: &[u8]) -> Vec<u8> {
    let size = 20 + payload.len();
    let client_ip = client.ip().to_canonical();
    let server_ip: IpAddr = if client_ip.is_ipv4() { SERVER_V4.into() } else { SERVER_V6.into() };
    let (client_end, server_end) = ((client_ip, client.port()), (server_ip, SERVER_PORT));
    let (source, destination) = if is_from_client { (client_end, server_end) } else { (server_end, client_end) };
    let mut frame = match (source.0, destination.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut header = vec![0x45, 0];
            header.extend((20 + size as u16).to_be_bytes());
            // Identification 0, do not fragment, time to live 64, TCP.
            header.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
            header.extend([source.octets(), destination.octets()].concat());
            header
        }
        (source, destination) => {
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                IpAddr::V6(address) => address.octets(),
            };
            let mut header = vec![0x60, 0, 0, 0];
            header.extend((size as u16).to_be_bytes());
            header.extend([6, 64]);
            header.extend([octets(source), octets(destination)].concat());
            header
        }
    };
    let [own, other] = if is_from_client { *sequence } else { [sequence[1], sequence[0]] };
    frame.extend(source.1.to_be_bytes());
    frame.extend(destination.1.to_be_bytes());
    frame.extend(own.to_be_bytes());
    frame.extend(other.to_be_bytes());
    // A header of five words, PSH and ACK, a full window, checksum and urgent pointer 0.
    frame.extend([0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

/// CONNECT with the version and the client id, and nothing else (section 3.1).
fn connect(protocol: &str, client_id: &str) -> Vec<u8> {
    let (name, level, properties): (&[u8], u8, &[u8]) = match protocol {
        "3.1" => (b"MQIsdp", 3, b""),
        "3.1.1" => (b"MQTT", 4, b""),
        _ => (b"MQTT", 5, b"\0"),
    };
    let text = |text: &[u8]| [&(text.len() as u16).to_be_bytes(), text].concat();
    // Clean Start, no keep alive.
    let body = [&text(name), &[level, 2, 0, 0][..], properties, &text(client_id.as_bytes())].concat();
    let mut packet = vec![0x10];
    let mut length = body.len();
    while length >= 0x80 {
        packet.push(length as u8 | 0x80);
        length >>= 7;
    }
    packet.push(length as u8);
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn captured(lines: &[Json]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut capture = Capture::new(&mut out).unwrap();
        for line in lines {
            capture.packet(line).unwrap();
        }
        out
    }

    /// The kinds and bodies of all blocks, whose sizes must agree.
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
            let size = word(4) as usize;
            assert!(size.is_multiple_of(4) && word(size - 4) == word(4));
            blocks.push((word(0), file[8..size - 4].to_vec()));
            file = &file[size..];
        }
        blocks
    }

    #[test]
    fn segments_follow_each_other() {
        let packet = |direction: &str, bytes: &[u8]| {
            json!({
                "packet": "PINGREQ", "time_us": 5, "shard": 0, "connection": "1.1", "client_id": "a", "protocol": "3.1.1",
                "direction": direction, "size": bytes.len() + 3, "bytes_base64": STANDARD.encode(bytes),
            })
        };
        let file = captured(&[packet("in", b"\xC0\x00"), packet("out", b"\xD0\x00"), packet("in", b"\xC0\x00")]);
        let blocks = blocks(&file);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION_HEADER_BLOCK, 1, 6, 6, 6, 6]);
        let sequence =
            |body: &[u8]| [20 + 20 + 4, 20 + 20 + 8].map(|at| u32::from_be_bytes(body[at..at + 4].try_into().unwrap()));
        let connect = connect("3.1.1", "a").len() as u32;
        let numbers: Vec<_> = blocks[2..].iter().map(|(_, body)| sequence(body)).collect();
        // Three bytes more than there are were on the wire.
        assert_eq!(numbers, [[1, 1], [1 + connect, 1], [1, 1 + connect + 5], [1 + connect + 5, 1 + 5]]);
    }

    /// The length of an IP packet has 16 bits.
    #[test]
    fn a_connect_that_is_made_for_a_long_client_id_fits_into_ip_packets() {
        for (length, segments) in [(65_500, 2), (65_535, 3)] {
            let client_id = "x".repeat(length);
            let file = captured(&[json!({
                "packet": "PINGREQ", "shard": 0, "connection": "1.1", "client_id": client_id, "protocol": "5.0", "direction": "in",
                "size": 2, "bytes_base64": STANDARD.encode(b"\xC0\x00"),
            })]);
            let blocks = blocks(&file);
            for (_, body) in &blocks[2..] {
                let captured = u32::from_le_bytes(body[12..16].try_into().unwrap());
                let total_length = u16::from_be_bytes(body[22..24].try_into().unwrap());
                assert_eq!(u32::from(total_length), captured);
            }
            assert_eq!(blocks.len(), 2 + segments + 1, "a CONNECT in {segments} segments and the packet");
        }
    }

    #[test]
    fn what_was_not_sent_is_left_out() {
        let mut line = json!({
            "packet": "PUBLISH", "connection": "1.1", "direction": "out", "is_made": true, "reason": "queued", "size": 2,
        });
        assert_eq!(blocks(&captured(&[line.clone()])).len(), 2);
        line["reason"] = json!("sent");
        assert_eq!(blocks(&captured(&[line.clone()])).len(), 3, "there are no bytes but those of the CONNECT");
        line["connection"] = Json::Null;
        assert_eq!(blocks(&captured(&[line])).len(), 2);
    }
}
