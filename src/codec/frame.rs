//! Finds where a packet ends. Knows the fixed header (section 2.1) and nothing else.

use super::violation::Violation;

/// One whole packet: the first byte (type and flags) and what follows the Remaining Length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub first_byte: u8,
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of the whole packet, fixed header included, if its Remaining Length took no more bytes than it needs.
    #[inline]
    pub fn packet_size(&self) -> usize {
        self.body.len()
            + match self.body.len() {
                ..0x80 => 2,
                0x80..0x4000 => 3,
                0x4000..0x20_0000 => 4,
                _ => 5,
            }
    }
}

/// What is known of the packet that starts at the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub first_byte: u8,
    /// Bytes of the fixed header, 2 to 5.
    pub header_size: usize,
    /// Bytes of the whole packet, fixed header included.
    pub packet_size: usize,
}

/// Reads the fixed header; `None` when more bytes are needed. Refuses a Remaining Length of more than four bytes, and
/// a packet larger than `packet_size_max` as soon as its length is known.
///
/// A Remaining Length that has more bytes than its value needs ([MQTT-1.5.5-1]) is accepted: it is unambiguous, and
/// versions before 5.0 do not forbid it.
#[inline]
pub fn header(bytes: &[u8], packet_size_max: u32) -> Result<Option<Header>, Violation> {
    let header = match *bytes {
        // Most packets are shorter than 128 bytes.
        [first_byte, length, ..] if length < 0x80 => {
            Header { first_byte, header_size: 2, packet_size: 2 + usize::from(length) }
        }
        [first_byte, ref rest @ ..] => match long_length(rest)? {
            Some((length, length_size)) => {
                Header { first_byte, header_size: 1 + length_size, packet_size: 1 + length_size + length }
            }
            None => return Ok(None),
        },
        [] => return Ok(None),
    };
    if header.packet_size > packet_size_max as usize {
        return Err(Violation::PacketTooLarge);
    }
    Ok(Some(header))
}

/// The first whole frame of `bytes` and its size; `None` when more bytes are needed.
#[inline]
pub fn find(bytes: &[u8], packet_size_max: u32) -> Result<Option<(Frame<'_>, usize)>, Violation> {
    let Some(header) = header(bytes, packet_size_max)? else { return Ok(None) };
    let Some(body) = bytes.get(header.header_size..header.packet_size) else { return Ok(None) };
    Ok(Some((Frame { first_byte: header.first_byte, body }, header.packet_size)))
}

/// A Remaining Length of any size, and the bytes that it takes.
fn long_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Violation> {
    let mut value = 0;
    for (position, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(Some((value, position + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Violation::RemainingLengthTooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: u32 = u32::MAX;

    /// The fixed header of a packet with this Remaining Length, as (header size, packet size).
    fn sizes(bytes: &[u8]) -> Option<(usize, usize)> {
        header(bytes, NO_LIMIT).unwrap().map(|header| (header.header_size, header.packet_size))
    }

    #[test]
    fn reads_the_lengths_of_table_1_1() {
        assert_eq!(sizes(&[0x30, 0x00]), Some((2, 2)));
        assert_eq!(sizes(&[0x30, 0x7F]), Some((2, 2 + 127)));
        assert_eq!(sizes(&[0x30, 0x80, 0x01]), Some((3, 3 + 128)));
        assert_eq!(sizes(&[0x30, 0xFF, 0x7F]), Some((3, 3 + 16_383)));
        assert_eq!(sizes(&[0x30, 0x80, 0x80, 0x01]), Some((4, 4 + 16_384)));
        assert_eq!(sizes(&[0x30, 0xFF, 0xFF, 0x7F]), Some((4, 4 + 2_097_151)));
        assert_eq!(sizes(&[0x30, 0x80, 0x80, 0x80, 0x01]), Some((5, 5 + 2_097_152)));
        assert_eq!(sizes(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]), Some((5, 5 + 268_435_455)));
    }

    #[test]
    fn asks_for_more_until_the_length_is_complete() {
        let bytes = [0x30, 0xFF, 0xFF, 0xFF, 0x7F];
        for end in 0..bytes.len() {
            assert_eq!(sizes(&bytes[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn refuses_a_length_of_five_bytes_without_waiting_for_the_fifth() {
        assert_eq!(header(&[0x30, 0x80, 0x80, 0x80, 0x80], NO_LIMIT), Err(Violation::RemainingLengthTooLong));
        assert_eq!(header(&[0x30, 0x80, 0x80, 0x80, 0x80, 0x01], NO_LIMIT), Err(Violation::RemainingLengthTooLong));
    }

    #[test]
    fn refuses_a_large_packet_before_its_body_comes() {
        assert_eq!(header(&[0x30, 99], 100), Err(Violation::PacketTooLarge));
        assert_eq!(find(&[0x30, 98], 100), Ok(None));
        assert_eq!(header(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 2_000_000), Err(Violation::PacketTooLarge));
    }

    #[test]
    fn finds_the_first_of_several_frames() {
        let bytes = [0xC0, 0x00, 0x40, 0x02, 0x00, 0x01];
        assert_eq!(find(&bytes, NO_LIMIT), Ok(Some((Frame { first_byte: 0xC0, body: &[] }, 2))));
        assert_eq!(find(&bytes[2..], NO_LIMIT), Ok(Some((Frame { first_byte: 0x40, body: &[0, 1] }, 4))));
        assert_eq!(find(&bytes[2..5], NO_LIMIT), Ok(None));
    }
}
