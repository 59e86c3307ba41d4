//! The client's side of a WebSocket (RFC 6455), as a stream of what its binary messages carry.

use std::io::{self, Read, Write};

use crate::random::Random;

/// The request that opens one; its key is the one of RFC 6455, section 1.3.
pub const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// How bytes become frames.
pub enum Framing {
    /// One frame for each write.
    Whole,
    /// Messages and their fragments cut at random, without a thought of MQTT's packets, with pings and empty frames between them;
    /// all in one write.
    Cut(Random),
}

pub struct WebSocket<S> {
    pub inner: S,
    pub framing: Framing,
    /// Of the server's close frame.
    pub close_code: Option<u16>,
    /// Pongs that came.
    pub pongs: usize,
    payload_left: usize,
    ended: bool,
}

impl<S: Read + Write> WebSocket<S> {
    /// Opens it with `request`; frames in `pipelined` go with it in one write.
    pub fn open(mut inner: S, request: &str, pipelined: &[u8]) -> io::Result<Self> {
        let mut bytes = request.as_bytes().to_vec();
        bytes.extend_from_slice(pipelined);
        inner.write_all(&bytes)?;
        inner.flush()?;
        let response = read_head(&mut inner)?;
        let accepts = response.starts_with("HTTP/1.1 101 ") && response.contains(ACCEPT);
        if !accepts || !response.to_ascii_lowercase().contains("sec-websocket-protocol: mqtt\r\n") {
            return Err(io::Error::other(response));
        }
        Ok(Self { inner, framing: Framing::Whole, close_code: None, pongs: 0, payload_left: 0, ended: false })
    }

    pub fn write_frame(&mut self, is_last: bool, opcode: u8, payload: &[u8]) -> io::Result<()> {
        self.inner.write_all(&frame(is_last, opcode, payload))?;
        self.inner.flush()
    }

    /// The next frame's header: opcode and length.
    fn read_header(&mut self) -> io::Result<(u8, usize)> {
        let mut head = [0; 2];
        self.inner.read_exact(&mut head)?;
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        assert_eq!(head[0] & 0x70, 0, "no extension was agreed on");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.inner.read_exact(&mut length)?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.inner.read_exact(&mut length)?;
                u64::from_be_bytes(length)
            }
            length => u64::from(length),
        };
        Ok((head[0] & 0x0F, length as usize))
    }
}

impl<S: Read + Write> Read for WebSocket<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.payload_left == 0 {
            if self.ended {
                // What remains is the end of what is below.
                return self.inner.read(&mut [0; 1]);
            }
            let (opcode, length) = self.read_header()?;
            if opcode == 2 {
                self.payload_left = length;
                continue;
            }
            let mut payload = vec![0; length];
            self.inner.read_exact(&mut payload)?;
            match opcode {
                8 => {
                    self.ended = true;
                    self.close_code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                }
                10 => self.pongs += 1,
                other => panic!("opcode {other}"),
            }
        }
        let size = self.payload_left.min(into.len());
        let read = self.inner.read(&mut into[..size])?;
        self.payload_left -= read;
        Ok(read)
    }
}

impl<S: Read + Write> Write for WebSocket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let frames = match &mut self.framing {
            Framing::Whole => frame(true, 2, bytes),
            Framing::Cut(random) => cut(bytes, random),
        };
        self.inner.write_all(&frames)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A masked frame.
pub fn frame(is_last: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = vec![opcode | if is_last { 0x80 } else { 0 }];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn cut(mut bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut is_first = true;
    while !bytes.is_empty() {
        if random.below(4) == 0 {
            frames.extend(frame(true, 9, b"are you there?"));
        }
        let size = if random.below(2) == 0 { 1 + random.below(8) } else { random.below(30_000) };
        let (piece, rest) = bytes.split_at(size.min(bytes.len()));
        let is_last = rest.is_empty() || random.below(3) == 0;
        frames.extend(frame(is_last, if is_first { 2 } else { 0 }, piece));
        is_first = is_last;
        bytes = rest;
    }
    frames
}

/// An HTTP response's head.
pub fn read_head(stream: &mut impl Read) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}
