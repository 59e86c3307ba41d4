//! Frame headers (RFC 6455, section 5.2): read as clients send them, written as servers send them.

use std::ops::Deref;

use super::failure::WebSocketFailure;

/// The longest header of a client's frame: two bytes, a length of eight, a mask of four.
pub(super) const SIZE_MAX: usize = 14;

/// The longest payload of a control frame (section 5.5).
pub(super) const CONTROL_PAYLOAD_MAX: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    pub fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// The header of a client's frame.
#[derive(Debug)]
pub(super) struct Header {
    pub opcode: Opcode,
    pub is_final: bool,
    pub mask: [u8; 4],
    /// Bytes of the header.
    pub size: usize,
    /// Bytes of the payload.
    pub length: u64,
}

impl Header {
    /// The header at the start of `bytes`; `Err(size)` says how many bytes from the frame's start are needed to go on.
    /// What is wrong with the first two bytes is told without the others.
    #[inline]
    pub fn read(bytes: &[u8]) -> Result<Result<Self, usize>, WebSocketFailure> {
        let [first, second, rest @ ..] = bytes else { return Ok(Err(2)) };
        let opcode = opcode(*first)?;
        if second & MASKED == 0 {
            return Err(WebSocketFailure::NotMasked);
        }
        let is_final = first & FINAL != 0;
        let short_length = second & !MASKED;
        if opcode.is_control() {
            if !is_final {
                return Err(WebSocketFailure::ControlFragmented);
            }
            if usize::from(short_length) > CONTROL_PAYLOAD_MAX {
                return Err(WebSocketFailure::ControlTooLong);
            }
        }
        let (length, mask, size) = match short_length {
            LENGTH_IN_2_BYTES => match rest.split_first_chunk() {
                Some((length, mask)) => (long_length(u16::from_be_bytes(*length).into(), 126)?, mask, 8),
                None => return Ok(Err(8)),
            },
            LENGTH_IN_8_BYTES => match rest.split_first_chunk() {
                Some((length, mask)) => (long_length(u64::from_be_bytes(*length), 1 << 16)?, mask, SIZE_MAX),
                None => return Ok(Err(SIZE_MAX)),
            },
            length => (length.into(), rest, 6),
        };
        Ok(mask.first_chunk().map(|&mask| Self { opcode, is_final, mask, size, length }).ok_or(size))
    }
}

fn opcode(first: u8) -> Result<Opcode, WebSocketFailure> {
    if first & RESERVED != 0 {
        return Err(WebSocketFailure::ReservedBits);
    }
    match first & !FINAL {
        0x0 => Ok(Opcode::Continuation),
        0x1 => Ok(Opcode::Text),
        0x2 => Ok(Opcode::Binary),
        0x8 => Ok(Opcode::Close),
        0x9 => Ok(Opcode::Ping),
        0xA => Ok(Opcode::Pong),
        _ => Err(WebSocketFailure::ReservedOpcode),
    }
}

fn long_length(length: u64, min: u64) -> Result<u64, WebSocketFailure> {
    if length < min {
        return Err(WebSocketFailure::LengthNotMinimal);
    }
    if length > i64::MAX as u64 {
        return Err(WebSocketFailure::LengthTooLarge);
    }
    Ok(length)
}

/// The header of a frame that a server sends: final, and not masked (section 5.1). It is a slice of 2, 4 or 10 bytes.
#[derive(Clone, Copy, Debug)]
pub struct FrameHeader {
    bytes: [u8; 10],
    size: u8,
}

impl FrameHeader {
    /// Of a binary message of `length` bytes in one frame.
    pub fn binary(length: usize) -> Self {
        Self::new(Opcode::Binary, length)
    }

    /// Of a text message of `length` bytes in one frame.
    pub fn text(length: usize) -> Self {
        Self::new(Opcode::Text, length)
    }

    pub(super) fn new(opcode: Opcode, length: usize) -> Self {
        let first = FINAL | opcode as u8;
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < LENGTH_IN_2_BYTES => {
                Self { bytes: [first, short, 0, 0, 0, 0, 0, 0, 0, 0], size: 2 }
            }
            (_, Ok(length)) => {
                let [a, b] = length.to_be_bytes();
                Self { bytes: [first, LENGTH_IN_2_BYTES, a, b, 0, 0, 0, 0, 0, 0], size: 4 }
            }
            _ => {
                let [a, b, c, d, e, f, g, h] = (length as u64).to_be_bytes();
                Self { bytes: [first, LENGTH_IN_8_BYTES, a, b, c, d, e, f, g, h], size: 10 }
            }
        }
    }
}

impl Deref for FrameHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.size)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_lengths_are_minimal() {
        assert_eq!(*FrameHeader::binary(0), [0x82, 0]);
        assert_eq!(*FrameHeader::binary(125), [0x82, 125]);
        assert_eq!(*FrameHeader::binary(126), [0x82, 126, 0, 126]);
        assert_eq!(*FrameHeader::binary(255), [0x82, 126, 0, 255]);
        assert_eq!(*FrameHeader::text(65_535), [0x81, 126, 0xFF, 0xFF]);
        assert_eq!(*FrameHeader::binary(65_536), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_part_of_a_header_says_what_is_missing() {
        for (bytes, size) in [
            (vec![0x82, 0x85, 1, 2, 3, 4], 6),
            (vec![0x82, 0xFE, 0x01, 0x00, 1, 2, 3, 4], 8),
            (vec![0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], 14),
        ] {
            for end in 0..bytes.len() {
                let wanted = Header::read(&bytes[..end]).unwrap().unwrap_err();
                assert_eq!(wanted, if end < 2 { 2 } else { size });
            }
            let header = Header::read(&bytes).unwrap().unwrap();
            assert_eq!((header.size, header.mask, header.is_final), (size, [1, 2, 3, 4], true));
        }
    }
}
