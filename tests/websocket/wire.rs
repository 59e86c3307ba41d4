//! Frames as clients send them, built by hand.

use ringmq::net::websocket::{End, WebSocket};

pub const CONTINUATION: u8 = 0x00;
pub const TEXT: u8 = 0x01;
pub const BINARY: u8 = 0x02;
pub const CLOSE: u8 = 0x08;
pub const PING: u8 = 0x09;
pub const PONG: u8 = 0x0A;
/// The bit of a message's last frame.
pub const FINAL: u8 = 0x80;

pub const MASK: [u8; 4] = [0xA5, 0x00, 0xFF, 0x3C];

/// A frame with this first byte, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => frame.extend([&[0x80 | 126][..], &(length as u16).to_be_bytes()].concat()),
        length => frame.extend([&[0x80 | 127][..], &(length as u64).to_be_bytes()].concat()),
    }
    frame.extend(MASK);
    frame.extend(payload.iter().enumerate().map(|(position, byte)| byte ^ MASK[position % 4]));
    frame
}

pub fn binary(payload: &[u8]) -> Vec<u8> {
    frame(FINAL | BINARY, payload)
}

/// A close frame, of either side before its mask.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A frame with up to 125 bytes of payload as a server sends it.
pub fn reply(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, payload.len() as u8], payload].concat()
}

/// All that came out of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub plain: Vec<u8>,
    pub out: Vec<u8>,
    pub end: Option<End>,
}

/// Feeds a new connection these chunks, also those behind its end.
pub fn feed<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut socket = WebSocket::default();
    let mut outcome = Outcome::default();
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let received = socket.receive(&mut chunk, &mut outcome.out);
        outcome.plain.extend(received.plain);
        match (outcome.end, received.end) {
            (None, end) => outcome.end = end,
            (Some(_), end) => assert_eq!(end, Some(End::Ended), "bytes behind the end are not ignored"),
        }
    }
    outcome
}
