//! WebSocket for clients (RFC 6455) as MQTT uses it (section 6 of MQTT 5.0): binary frames, whose borders mean nothing.
//!
//! Each packet goes out in a frame of its own, as most clients have it. What comes in is unwrapped in place, as far as it has
//! come: a frame is never waited for.

use crate::mqtt::scan::frame_length;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind};

/// Where to ask for a WebSocket.
#[derive(Debug)]
pub struct Target {
    request: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub struct WebSocket {
    /// The key of all its frames. It is to be unpredictable so that scripts in browsers cannot deceive proxies (section 10.3), which
    /// are not here; what it costs a broker is the same.
    mask: [u8; 4],
    phase: Phase,
    /// Of the frame that is arriving, as far as it is there.
    header: Vec<u8>,
    opcode: u8,
    remaining: u64,
    /// The payload of a control frame.
    control: Vec<u8>,
}

#[derive(Debug)]
enum Phase {
    /// Until the first packet, with the request for the WebSocket.
    New(Vec<u8>),
    /// What has come of the response, and the packets that wait for it.
    Upgrading {
        response: Vec<u8>,
        waiting: Vec<u8>,
    },
    Open,
}

/// A nonce and what must come back for it: the example of section 1.3. It protects from caches, and there is none.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// No broker has so much to say in its response.
const RESPONSE_BYTES_MAX: usize = 16 * 1_024;

/// Of a control frame (section 5.5).
const CONTROL_BYTES_MAX: u64 = 125;

const FINAL: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

impl Target {
    pub fn new(host: &str, port: u16, path: &str) -> Self {
        // An IPv6 address stands in brackets (RFC 3986 section 3.2.2).
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
        );
        Self { request: request.into_bytes() }
    }
}

impl WebSocket {
    pub fn new(target: &Target) -> Self {
        Self {
            mask: (RandomState::new().hash_one(0) as u32).to_ne_bytes(),
            phase: Phase::New(target.request.clone()),
            header: Vec::new(),
            opcode: 0,
            remaining: 0,
            control: Vec::new(),
        }
    }

    /// Frames packets, once the broker has agreed to that.
    pub fn encode(&mut self, mut packets: &[u8], out: &mut Vec<u8>) {
        match &mut self.phase {
            Phase::New(request) => {
                out.append(request);
                self.phase = Phase::Upgrading { response: Vec::new(), waiting: packets.to_vec() };
            }
            Phase::Upgrading { waiting, .. } => waiting.extend_from_slice(packets),
            Phase::Open => {
                while !packets.is_empty() {
                    let length = frame_length(packets).map_or(packets.len(), |length| length.min(packets.len()));
                    let (packet, rest) = packets.split_at(length);
                    self.frame(BINARY, packet, out);
                    packets = rest;
                }
            }
        }
    }

    /// Unwraps what has come, in place, and returns how many bytes it was. Answers to control frames are appended to `out`.
    ///
    /// # Errors
    /// If the broker does not agree to MQTT over a WebSocket, breaks the protocol, or says goodbye (`UnexpectedEof`).
    pub fn decode(&mut self, bytes: &mut [u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let mut read = self.upgrade(bytes, out)?;
        let mut written = 0;
        while read < bytes.len() {
            if self.remaining == 0 {
                self.header.push(bytes[read]);
                read += 1;
                if !self.take_header()? {
                    continue;
                }
            }
            let available = self.remaining.min((bytes.len() - read) as u64) as usize;
            let part = read..read + available;
            if self.opcode & CLOSE == 0 {
                bytes.copy_within(part, written);
                written += available;
            } else {
                self.control.extend_from_slice(&bytes[part]);
            }
            read += available;
            self.remaining -= available as u64;
            if self.remaining == 0 && self.opcode & CLOSE != 0 {
                self.answer_control(written, out)?;
            }
        }
        Ok(written)
    }

    /// Says goodbye with code 1000.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        if let Phase::Open = self.phase {
            self.frame(CLOSE, &1_000_u16.to_be_bytes(), out);
        }
    }

    /// Takes the response in; returns how many of the bytes belong to it.
    fn upgrade(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let Phase::Upgrading { response, waiting } = &mut self.phase else { return Ok(0) };
        let before = response.len();
        response.extend_from_slice(bytes);
        let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") else {
            if response.len() > RESPONSE_BYTES_MAX {
                return Err(invalid("the response to a WebSocket request does not end".into()));
            }
            return Ok(bytes.len());
        };
        check_response(&response[..end])?;
        let waiting = std::mem::take(waiting);
        self.phase = Phase::Open;
        self.encode(&waiting, out);
        Ok(end + 4 - before)
    }

    /// Reads the header of a frame; false while it is not complete (section 5.2).
    fn take_header(&mut self) -> io::Result<bool> {
        let [first, second, ref rest @ ..] = self.header[..] else { return Ok(false) };
        let length = match (second, rest) {
            (0x80.., _) => return Err(invalid("a broker must not mask its frames (section 5.1 of RFC 6455)".into())),
            (126, &[high, low]) => u64::from(u16::from_be_bytes([high, low])),
            (127, &[a, b, c, d, e, f, g, h]) => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            (126 | 127, _) => return Ok(false),
            (length, _) => u64::from(length),
        };
        let opcode = first & 0x0F;
        let is_known = matches!(opcode, CONTINUATION | BINARY)
            || matches!(opcode, CLOSE | PING | PONG) && first & FINAL != 0 && length <= CONTROL_BYTES_MAX;
        if first & 0x70 != 0 || !is_known {
            return Err(invalid(format!("a WebSocket frame begins with {first:#04x} {second:#04x}")));
        }
        self.header.clear();
        (self.opcode, self.remaining) = (opcode, length);
        Ok(true)
    }

    fn answer_control(&mut self, written: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let payload = std::mem::take(&mut self.control);
        match self.opcode {
            PING => self.frame(PONG, &payload, out),
            // What came before the goodbye is handled first; the end of the connection comes after it anyway.
            CLOSE if written == 0 => {
                let code = payload.first_chunk().map_or(1_005, |code| u16::from_be_bytes(*code));
                let text = format!("the broker closed the WebSocket with {code}");
                return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends one frame, masked (section 5.3).
    fn frame(&self, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
        out.push(FINAL | opcode);
        match payload.len() {
            length @ ..126 => out.push(0x80 | length as u8),
            length @ ..0x1_0000 => {
                out.push(0x80 | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&self.mask);
        let start = out.len();
        out.extend_from_slice(payload);
        apply(self.mask, &mut out[start..]);
    }
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= key;
    }
}

/// Status 101, the answer to our key, and the subprotocol `mqtt` [MQTT-6.0.0-4].
fn check_response(head: &[u8]) -> io::Result<()> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("101") {
        return Err(invalid(format!("the broker answers the request for a WebSocket with {status:?}")));
    }
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    for (name, expected) in [("Sec-WebSocket-Accept", ACCEPT), ("Sec-WebSocket-Protocol", "mqtt")] {
        let found = fields.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
        if found != Some(expected) {
            return Err(invalid(format!("the broker's {name} is {found:?} instead of {expected:?}")));
        }
    }
    Ok(())
}

fn invalid(text: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nConnection: Upgrade\r\n\
        sec-websocket-protocol:  mqtt \r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    /// One that was asked for, with a PINGREQ waiting.
    fn upgrading() -> WebSocket {
        let (mut websocket, mut out) = (WebSocket::new(&Target::new("::1", 8080, "/mqtt")), Vec::new());
        websocket.encode(&[0xC0, 0], &mut out);
        let request = String::from_utf8(out).unwrap();
        assert!(request.starts_with("GET /mqtt HTTP/1.1\r\nHost: [::1]:8080\r\n") && request.ends_with("\r\n\r\n"));
        websocket
    }

    fn unmasked(mut frame: Vec<u8>) -> Vec<u8> {
        let mask = *frame[2..].first_chunk().unwrap();
        apply(mask, &mut frame[6..]);
        frame.drain(2..6);
        frame
    }

    #[test]
    fn whatever_pieces_it_comes_in_the_same_is_understood() {
        let mut stream = RESPONSE.as_bytes().to_vec();
        let long: Vec<u8> = (0..70_000_u32).map(|index| index as u8).collect();
        // A frame in two fragments with a ping between them, an empty one, and both forms of longer lengths.
        stream.extend([0x02, 3, b'a', b'b', b'c', 0x89, 2, 7, 8, 0x80, 1, b'd', 0x82, 0, 0x82, 126, 1, 0]);
        stream.extend(&long[..256]);
        stream.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        stream.extend(&long);
        let expected = [b"abcd", &long[..256], &long].concat();
        for piece in [1, 2, 3, 7, 1_000, stream.len()] {
            let (mut websocket, mut received, mut out) = (upgrading(), Vec::new(), Vec::new());
            for bytes in stream.chunks(piece) {
                let mut bytes = bytes.to_vec();
                let length = websocket.decode(&mut bytes, &mut out).unwrap();
                received.extend_from_slice(&bytes[..length]);
            }
            assert!(received == expected, "in pieces of {piece}");
            let pong = out.split_off(8);
            assert_eq!(unmasked(out), [0x82, 0x82, 0xC0, 0], "the packet that waited");
            assert_eq!(unmasked(pong), [0x8A, 0x82, 7, 8]);
        }
    }

    #[test]
    fn each_packet_has_a_frame_of_its_own() {
        let (mut websocket, mut out) = (upgrading(), Vec::new());
        assert_eq!(websocket.decode(&mut RESPONSE.as_bytes().to_vec(), &mut out).unwrap(), 0);
        out.clear();
        websocket.encode(&[0xC0, 0, 0x30, 3, 0, 1, b't', 0xE0, 0], &mut out);
        let lengths: Vec<u8> = [1, 9, 20].map(|index| out[index]).into();
        assert_eq!((lengths, out.len()), (vec![0x82, 0x85, 0x82], 8 + 11 + 8));
    }

    #[test]
    fn what_a_broker_must_not_do_is_told() {
        let with = |bytes: &[u8]| {
            let mut websocket = upgrading();
            let mut stream = [RESPONSE.as_bytes(), bytes].concat();
            websocket.decode(&mut stream, &mut Vec::new()).unwrap_err().to_string()
        };
        assert!(with(&[0x82, 0x81, 1, 2, 3, 4, 5]).contains("mask"));
        assert!(with(&[0x81, 1, b'a']).contains("0x81"), "a text frame");
        assert!(with(&[0xC2, 1, b'a']).contains("0xc2"), "an extension");
        assert!(with(&[0x88, 2, 3, 0xEA]).contains("with 1002"));
        for (from, to, expected) in [
            ("101 Switching", "400 Bad", "400 Bad"),
            ("s3pP", "S3pP", "Sec-WebSocket-Accept"),
            (" mqtt ", " stomp ", "Sec-WebSocket-Protocol"),
        ] {
            let mut response = RESPONSE.replace(from, to).into_bytes();
            let error = upgrading().decode(&mut response, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn masking_twice_is_nothing() {
        let mut payload: Vec<u8> = (0..21).collect();
        apply([1, 2, 3, 4], &mut payload);
        assert_eq!(payload[..5], [1, 3, 1, 7, 5]);
        apply([1, 2, 3, 4], &mut payload);
        assert!(payload.into_iter().eq(0..21));
    }
}
