//! Finds frames in what was received, and takes their mask off (RFC 6455, section 5).
//!
//! The payload of a data frame comes out in pieces, as it was received, in its place in the receive buffer. A control frame comes out whole:
//! it has at most 125 bytes.

use std::ops::Range;

use super::failure::WebSocketFailure;
use super::header::{CONTROL_PAYLOAD_MAX, Header, Opcode};

/// The frames of one connection, from the client's side.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// What has come of a header, or of a control frame, that is not whole yet.
    kept: Option<Box<Kept>>,
    /// Payload bytes of the data frame that have not come yet.
    remaining: u64,
    /// Turned so that its first byte is for the next payload byte.
    mask: [u8; 4],
    /// Of the message that is open, or was the last.
    kind: MessageKind,
    /// A message has begun, and its last frame has not ended.
    is_open: bool,
    /// The data frame is the last of its message.
    is_final: bool,
}

/// What was found in the received bytes.
#[derive(Debug)]
pub enum Piece {
    /// A piece of a message: where it is in the received bytes, without its mask.
    Data {
        kind: MessageKind,
        payload: Range<usize>,
        ends_frame: bool,
        ends_message: bool,
    },
    Ping(ControlPayload),
    Pong(ControlPayload),
    Close(ControlPayload),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageKind {
    Text,
    #[default]
    Binary,
}

/// What a control frame carries: a slice of at most 125 bytes.
#[derive(Debug)]
pub struct ControlPayload {
    bytes: [u8; CONTROL_PAYLOAD_MAX],
    length: u8,
}

impl FrameDecoder {
    /// The next piece of `bytes` from `position` on, which is moved behind it; `None` when all bytes have been taken.
    ///
    /// An error is final: where the next frame begins is not known then.
    #[inline]
    pub fn next(&mut self, bytes: &mut [u8], position: &mut usize) -> Result<Option<Piece>, WebSocketFailure> {
        if self.remaining == 0 {
            let rest = rest(bytes, *position);
            if rest.is_empty() {
                return Ok(None);
            }
            let header = match (&self.kept, Header::read(rest)) {
                (None, Ok(Ok(header))) if !header.opcode.is_control() => {
                    *position += header.size;
                    header
                }
                // A header in parts, or a control frame.
                _ => match self.collect(bytes, position)? {
                    Some(Collected::Data(header)) => header,
                    Some(Collected::Control(piece)) => return Ok(Some(piece)),
                    None => return Ok(None),
                },
            };
            self.begin(&header)?;
        }
        Ok(self.payload(bytes, position))
    }

    /// A data frame begins (section 5.4).
    #[inline]
    fn begin(&mut self, header: &Header) -> Result<(), WebSocketFailure> {
        match (header.opcode, self.is_open) {
            (Opcode::Continuation, false) => return Err(WebSocketFailure::NothingToContinue),
            (Opcode::Continuation, true) => {}
            (_, true) => return Err(WebSocketFailure::MessageNotEnded),
            (Opcode::Text, false) => self.kind = MessageKind::Text,
            (_, false) => self.kind = MessageKind::Binary,
        }
        self.is_open = true;
        self.is_final = header.is_final;
        self.mask = header.mask;
        self.remaining = header.length;
        Ok(())
    }

    /// What there is of the data frame's payload.
    #[inline]
    fn payload(&mut self, bytes: &mut [u8], position: &mut usize) -> Option<Piece> {
        let start = *position;
        let payload = bytes.get_mut(start..).unwrap_or_default();
        let length = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(payload.len());
        if length == 0 && self.remaining > 0 {
            return None;
        }
        unmask(payload.get_mut(..length).unwrap_or_default(), self.mask);
        self.mask.rotate_left(length % 4);
        self.remaining -= length as u64;
        let ends_frame = self.remaining == 0;
        let ends_message = ends_frame && self.is_final;
        self.is_open = !ends_message;
        *position = start + length;
        Some(Piece::Data { kind: self.kind, payload: start..*position, ends_frame, ends_message })
    }

    /// Takes a header, and with it a control frame's payload, in as many parts as it comes; `None` when it is not whole.
    #[cold]
    fn collect(&mut self, bytes: &[u8], position: &mut usize) -> Result<Option<Collected>, WebSocketFailure> {
        let mut kept = self.kept.take().unwrap_or_default();
        loop {
            let (wanted, header) = match Header::read(kept.bytes())? {
                Ok(header) if header.opcode.is_control() => (header.size + header.length as usize, Some(header)),
                Ok(header) => (header.size, Some(header)),
                Err(wanted) => (wanted, None),
            };
            let missing = wanted.saturating_sub(kept.bytes().len());
            if let Some(header) = header
                && missing == 0
            {
                return Ok(Some(Collected::new(header, kept.bytes())));
            }
            let part = rest(bytes, *position);
            let part = part.get(..missing).unwrap_or(part);
            if part.is_empty() {
                self.kept = (!kept.bytes().is_empty()).then_some(kept);
                return Ok(None);
            }
            kept.append(part);
            *position += part.len();
        }
    }
}

/// A header with what must be whole to go on.
enum Collected {
    Data(Header),
    Control(Piece),
}

impl Collected {
    fn new(header: Header, frame: &[u8]) -> Self {
        let payload = ControlPayload::unmasked(rest(frame, header.size), header.mask);
        match header.opcode {
            Opcode::Close => Self::Control(Piece::Close(payload)),
            Opcode::Ping => Self::Control(Piece::Ping(payload)),
            Opcode::Pong => Self::Control(Piece::Pong(payload)),
            Opcode::Continuation | Opcode::Text | Opcode::Binary => Self::Data(header),
        }
    }
}

impl ControlPayload {
    fn unmasked(masked: &[u8], mask: [u8; 4]) -> Self {
        let mut payload = Self { bytes: [0; CONTROL_PAYLOAD_MAX], length: 0 };
        for (to, from) in payload.bytes.iter_mut().zip(masked) {
            *to = *from;
            payload.length += 1;
        }
        unmask(&mut payload.bytes, mask);
        payload
    }
}

impl std::ops::Deref for ControlPayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// A control frame as it was received; the longest header, of a data frame, is shorter.
#[derive(Debug)]
struct Kept {
    bytes: [u8; 6 + CONTROL_PAYLOAD_MAX],
    length: u8,
}

impl Default for Kept {
    fn default() -> Self {
        Self { bytes: [0; 6 + CONTROL_PAYLOAD_MAX], length: 0 }
    }
}

impl Kept {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn append(&mut self, part: &[u8]) {
        for (to, from) in self.bytes.iter_mut().skip(usize::from(self.length)).zip(part) {
            *to = *from;
            self.length += 1;
        }
    }
}

fn rest(bytes: &[u8], position: usize) -> &[u8] {
    bytes.get(position..).unwrap_or_default()
}

/// Section 5.3. By eight bytes: the compiler makes vectors of them.
#[inline]
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = [a, b, c, d, a, b, c, d];
    let (chunks, tail) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ u64::from_ne_bytes(wide)).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(wide) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_all_lengths_come_off() {
        for length in 0..100 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes: Vec<u8> = plain.iter().zip([7, 0x80, 0xFF, 1].iter().cycle()).map(|(a, b)| a ^ b).collect();
            unmask(&mut bytes, [7, 0x80, 0xFF, 1]);
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn nothing_is_kept_of_what_is_whole() {
        let mut decoder = FrameDecoder::default();
        let mut ping = [0x89, 0x81, 1, 2, 3, 4, b'a' ^ 1];
        let mut position = 0;
        let piece = decoder.next(&mut ping, &mut position).unwrap();
        assert!(matches!(piece, Some(Piece::Ping(payload)) if *payload == *b"a"));
        assert!(decoder.next(&mut ping, &mut position).unwrap().is_none());
        assert!(decoder.kept.is_none());

        let mut position = 0;
        assert!(decoder.next(&mut ping[..6], &mut position).unwrap().is_none());
        assert_eq!(decoder.kept.as_ref().map(|kept| kept.bytes().len()), Some(6));
        let mut end = [b'a' ^ 1];
        let mut position = 0;
        assert!(matches!(decoder.next(&mut end, &mut position), Ok(Some(Piece::Ping(_)))));
        assert!(decoder.kept.is_none());
    }

    #[test]
    fn the_longest_length_is_counted() {
        let mut decoder = FrameDecoder::default();
        let mut header = [0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
        assert!(decoder.next(&mut header, &mut 0).unwrap().is_none());
        assert_eq!(decoder.remaining, i64::MAX as u64);
        let piece = decoder.next(&mut [1, 2, 3], &mut 0).unwrap();
        assert!(matches!(piece, Some(Piece::Data { payload: Range { start: 0, end: 3 }, ends_frame: false, .. })));
    }
}
