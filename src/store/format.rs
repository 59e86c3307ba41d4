//! Segments and groups, as bytes. Integers are little endian.
//!
//! A segment begins with a header of [`SEGMENT_HEADER_LEN`] bytes, synced before the segment is used:
//!
//! | bytes | |
//! |---|---|
//! | 0 | [`SEGMENT_MAGIC`] |
//! | 8 | u32 [`FORMAT`] |
//! | 12 | u32 number of the segment |
//! | 16 | u64 hash seed of the store |
//! | 24 | 8 bytes 0 |
//! | 32 | u32 0 |
//! | 36 | u32 CRC-32 of bytes 0 to 35 |
//!
//! Groups follow, each at a multiple of 8, until there are zeros or the end:
//!
//! | bytes | |
//! |---|---|
//! | 0 | u32 [`GROUP_MAGIC`] |
//! | 4 | u32 length of the body |
//! | 8 | u32 CRC-32 of all but itself, from a start that hash seed and segment number give |
//! | 12 | u32 where the groups of the segment before end, in bytes |
//! | 16 | u64 number of the group: one more than that of the group before |
//! | 24 | u64 the last group that was synced when this one was written |
//! | 32 | u64 highest counter that the store has seen |
//! | 40 | records (see [`record`](super::record)) |
//!
//! The start of the checksum is secret, so that no client can publish what looks like a group.
//!
//! When a sync has failed, the groups that it was for are written again, with their numbers, to the next segment, which says
//! that its predecessor ends before them. And a group that is missing, where a
//! later one says that it was synced, is damage; where none does, it is what a crash leaves of groups that nobody was told of.

use crc32fast::Hasher;

pub const SEGMENT_MAGIC: [u8; 8] = *b"RingMQ\r\n";
pub const FORMAT: u32 = 1;
pub const SEGMENT_HEADER_LEN: usize = 40;
pub const GROUP_MAGIC: u32 = 0x5047_6d52;
pub const GROUP_HEADER_LEN: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    pub number: u32,
    pub hash_seed: u64,
}

/// What the first bytes of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Valid(SegmentHeader),
    /// Nothing, or the part of a header that a crash left.
    Unfinished,
    Newer {
        format: u32,
    },
    /// A header with a wrong checksum, or that of another segment.
    Damaged,
    Foreign,
}

impl SegmentHeader {
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_LEN] {
        let mut bytes = [0; SEGMENT_HEADER_LEN];
        bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.hash_seed.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

impl Header {
    /// Of segment `number`, whose content is `bytes`, or at least its first part.
    pub fn decode(number: u32, bytes: &[u8]) -> Self {
        let mut header = [0; SEGMENT_HEADER_LEN];
        let present = bytes.len().min(SEGMENT_HEADER_LEN);
        header[..present].copy_from_slice(&bytes[..present]);
        if header[..8] != SEGMENT_MAGIC {
            let is_unfinished = header.iter().zip(SEGMENT_MAGIC).all(|(byte, magic)| *byte == 0 || *byte == magic);
            return if is_unfinished { Self::Unfinished } else { Self::Foreign };
        }
        if u32_at(&header, 36) != crc32fast::hash(&header[..36]) {
            let rest_is_empty = bytes[present..].iter().all(|byte| *byte == 0);
            return if rest_is_empty { Self::Unfinished } else { Self::Damaged };
        }
        match u32_at(&header, 8) {
            FORMAT if u32_at(&header, 12) == number => {
                Self::Valid(SegmentHeader { number, hash_seed: u64_at(&header, 16) })
            }
            FORMAT => Self::Damaged,
            format => Self::Newer { format },
        }
    }
}

/// A group's header, without what follows from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    pub previous_end: u32,
    pub number: u64,
    pub synced: u64,
    pub counter: u64,
}

/// Start of the checksums of a segment's groups.
pub fn crc_start(hash_seed: u64, segment: u32) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&hash_seed.to_le_bytes());
    hasher.update(&segment.to_le_bytes());
    hasher.finalize()
}

/// Room for the header of a group whose body is appended next.
pub fn begin_group(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(GROUP_HEADER_LEN, 0);
}

/// Pads the group and fills in its header. It may be done again, for another segment.
pub fn finish_group(bytes: &mut Vec<u8>, body_len: usize, header: GroupHeader, crc_start: u32) {
    bytes.resize(padded(GROUP_HEADER_LEN + body_len), 0);
    bytes[..4].copy_from_slice(&GROUP_MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&(body_len as u32).to_le_bytes());
    bytes[12..16].copy_from_slice(&header.previous_end.to_le_bytes());
    bytes[16..24].copy_from_slice(&header.number.to_le_bytes());
    bytes[24..32].copy_from_slice(&header.synced.to_le_bytes());
    bytes[32..40].copy_from_slice(&header.counter.to_le_bytes());
    let crc = group_crc(&bytes[..GROUP_HEADER_LEN + body_len], crc_start);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// The group at the start of `bytes` and its body, if there is a whole one.
pub fn decode_group(bytes: &[u8], crc_start: u32) -> Option<(GroupHeader, &[u8])> {
    let header = bytes.get(..GROUP_HEADER_LEN)?;
    if u32_at(header, 0) != GROUP_MAGIC {
        return None;
    }
    let end = GROUP_HEADER_LEN.checked_add(u32_at(header, 4) as usize)?;
    let group = bytes.get(..end)?;
    if group_crc(group, crc_start) != u32_at(header, 8) {
        return None;
    }
    let header = GroupHeader {
        previous_end: u32_at(header, 12),
        number: u64_at(header, 16),
        synced: u64_at(header, 24),
        counter: u64_at(header, 32),
    };
    Some((header, &group[GROUP_HEADER_LEN..]))
}

/// Bytes of a group with this header, if it is one, as far as can be told from the header alone.
pub fn group_len(header: &[u8]) -> Option<u64> {
    let header = header.get(..GROUP_HEADER_LEN)?;
    (u32_at(header, 0) == GROUP_MAGIC)
        .then(|| (GROUP_HEADER_LEN as u64 + u64::from(u32_at(header, 4))).next_multiple_of(8))
}

/// Bytes that a group of this length occupies.
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(8)
}

fn group_crc(group: &[u8], start: u32) -> u32 {
    let mut hasher = Hasher::new_with_initial(start);
    hasher.update(&group[..8]);
    hasher.update(&group[12..]);
    hasher.finalize()
}

pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_and_any_flipped_byte_is_noticed() {
        let header = SegmentHeader { number: 7, hash_seed: 0x0123_4567_89ab_cdef };
        let mut bytes = header.encode().to_vec();
        bytes.push(1);
        assert_eq!(Header::decode(7, &bytes), Header::Valid(header));
        assert_eq!(Header::decode(8, &bytes), Header::Damaged);
        for at in 0..SEGMENT_HEADER_LEN {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(matches!(Header::decode(7, &flipped), Header::Damaged | Header::Foreign), "byte {at}");
        }
        for end in 0..SEGMENT_HEADER_LEN {
            assert_eq!(Header::decode(7, &bytes[..end]), Header::Unfinished, "{end} bytes");
        }
    }

    #[test]
    fn a_group_is_one_of_its_segment_only() {
        let header = GroupHeader { previous_end: 40, number: 3, synced: 2, counter: 9 };
        let mut bytes = Vec::new();
        begin_group(&mut bytes);
        bytes.extend_from_slice(b"a body");
        finish_group(&mut bytes, 6, header, crc_start(1, 1));
        assert_eq!(bytes.len(), 48);
        assert_eq!(decode_group(&bytes, crc_start(1, 1)), Some((header, &b"a body"[..])));
        assert_eq!(decode_group(&bytes, crc_start(1, 2)), None);
        assert_eq!(decode_group(&bytes, crc_start(2, 1)), None);
        finish_group(&mut bytes, 6, header, crc_start(1, 2));
        assert_eq!(decode_group(&bytes, crc_start(1, 2)), Some((header, &b"a body"[..])));
    }
}
