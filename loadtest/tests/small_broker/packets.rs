//! Packets of a client that is known to send well-formed ones.

use super::Message;
use std::io::Read;
use std::net::TcpStream;

pub struct Connect {
    pub client_id: String,
    pub is_clean: bool,
}

impl Connect {
    /// Protocol name and level are ten bytes with flags and keep-alive.
    pub fn parse(body: &[u8]) -> Self {
        let client_id = String::from_utf8(body[12..].to_vec()).unwrap();
        Self { client_id, is_clean: body[7] & 2 != 0 }
    }
}

/// Topic, payload and QoS; the packet identifier, if any; and RETAIN.
pub fn publish(first_byte: u8, body: &[u8]) -> (Message, Option<[u8; 2]>, bool) {
    let qos = first_byte >> 1 & 3;
    let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..topic_end].to_vec()).unwrap();
    let payload_start = topic_end + if qos > 0 { 2 } else { 0 };
    let packet_id = (qos > 0).then(|| [body[topic_end], body[topic_end + 1]]);
    (Message { topic, payload: body[payload_start..].to_vec(), qos }, packet_id, first_byte & 1 != 0)
}

/// The filters of SUBSCRIBE, or of UNSUBSCRIBE, which has no QoS behind each.
pub fn filters(mut list: &[u8], has_qos: bool) -> Vec<(String, u8)> {
    let mut filters = Vec::new();
    while let [high, low, rest @ ..] = list {
        let (filter, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        let (qos, rest) = if has_qos { (rest[0], &rest[1..]) } else { (0, rest) };
        filters.push((String::from_utf8(filter.to_vec()).unwrap(), qos));
        list = rest;
    }
    filters
}

/// First byte and what comes after the Remaining Length.
pub fn read_packet(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut byte = [0];
    socket.read_exact(&mut byte).ok()?;
    let first_byte = byte[0];
    let (mut length, mut shift) = (0, 0);
    loop {
        socket.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7F) << shift;
        shift += 7;
        if byte[0] < 0x80 {
            break;
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).ok()?;
    Some((first_byte, body))
}

pub fn frame(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first_byte];
    let mut rest = body.len();
    while rest >= 0x80 {
        packet.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    packet.push(rest as u8);
    packet.extend_from_slice(body);
    packet
}
