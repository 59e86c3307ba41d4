//! The broker's side of a WebSocket (RFC 6455), as awkward as it may be.

/// Takes apart what a client sends.
#[derive(Default)]
pub struct Unwrapper {
    is_open: bool,
    received: Vec<u8>,
}

impl Unwrapper {
    /// Returns the payloads, and appends to `answers` what the client must get; `None` when it broke the protocol or goes.
    pub fn take(&mut self, bytes: &[u8], answers: &mut Vec<u8>) -> Option<Vec<u8>> {
        self.received.extend_from_slice(bytes);
        if !self.is_open {
            let Some(end) = self.received.windows(4).position(|window| window == b"\r\n\r\n") else {
                return Some(Vec::new());
            };
            let request: Vec<u8> = self.received.drain(..end + 4).collect();
            let is_good = is_good(&String::from_utf8(request).ok()?);
            answers.extend(if is_good { RESPONSE } else { b"HTTP/1.1 400 Bad Request\r\n\r\n" });
            self.is_open = is_good;
        }
        let mut payloads = Vec::new();
        while let Some((opcode, payload, length)) = frame(&self.received)? {
            self.received.drain(..length);
            match opcode {
                2 => {
                    assert!(is_one_packet(&payload), "a frame has {payload:x?} in it");
                    payloads.extend(payload);
                }
                // The answer to the ping in front of each message.
                0xA if payload == PING_PAYLOAD => {}
                _ => return None,
            }
        }
        Some(payloads)
    }
}

const PING_PAYLOAD: &[u8] = b"are you there";

/// The key is the example of section 1.3, and so is the answer to it.
const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUPGRADE: WebSocket\r\nconnection: upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSEC-WEBSOCKET-PROTOCOL: mqtt\r\n\r\n";

fn is_good(request: &str) -> bool {
    let wanted = [
        "\r\nUpgrade: websocket\r\n",
        "\r\nConnection: Upgrade\r\n",
        "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        "\r\nSec-WebSocket-Version: 13\r\n",
        "\r\nSec-WebSocket-Protocol: mqtt\r\n",
    ];
    request.starts_with("GET /mqtt HTTP/1.1\r\nHost: ") && wanted.iter().all(|line| request.contains(line))
}

/// Opcode, payload and length of a whole frame, if there is one; the outer `None` if it is not masked.
#[expect(clippy::option_option, reason = "they are two different answers")]
fn frame(bytes: &[u8]) -> Option<Option<(u8, Vec<u8>, usize)>> {
    let [first, second, rest @ ..] = bytes else { return Some(None) };
    if second & 0x80 == 0 {
        return None;
    }
    let (length, rest) = match (second & 0x7F, rest) {
        (126, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        (126 | 127, _) => return Some(None),
        (length, rest) => (usize::from(length), rest),
    };
    let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Some(None) };
    let Some(payload) = rest.get(..length) else { return Some(None) };
    let payload: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let used = bytes.len() - rest.len() + length;
    Some(Some((first & 0x0F, payload, used)))
}

/// The Remaining Length of short packets is a byte.
fn is_one_packet(payload: &[u8]) -> bool {
    payload.len() > 129 || payload.get(1).is_some_and(|&length| usize::from(length) + 2 == payload.len())
}

/// Puts bytes into frames: a ping, the first three bytes in fragments with an empty one between them, and the rest.
pub fn wrap(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x89, PING_PAYLOAD.len() as u8];
    out.extend_from_slice(PING_PAYLOAD);
    let (head, tail) = bytes.split_at(bytes.len().min(3));
    out.extend([0x02, head.len() as u8]);
    out.extend_from_slice(head);
    out.extend([0x00, 0, 0x80]);
    match tail.len() {
        length @ ..126 => out.push(length as u8),
        length => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(tail);
    out
}
