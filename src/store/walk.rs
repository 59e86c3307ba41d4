//! The groups in the bytes of one segment.

use std::io;

use super::disk::Disk;
use super::format::{self, GROUP_HEADER_LEN, GroupHeader, SEGMENT_HEADER_LEN};

/// Zeros that are looked for at a time.
const ZEROS: usize = 4_096;

/// The bytes of one segment.
pub struct Walk<'a> {
    pub segment: u32,
    pub crc_start: u32,
    pub bytes: &'a [u8],
}

/// What a segment has behind its header.
pub enum Piece<'a> {
    Group {
        at: usize,
        header: GroupHeader,
        body: &'a [u8],
    },
    /// Not all zeros, and no whole group.
    Damage {
        at: usize,
        end: usize,
    },
}

impl<'a> Walk<'a> {
    pub fn new(segment: u32, hash_seed: u64, bytes: &'a [u8]) -> Self {
        Self { segment, crc_start: format::crc_start(hash_seed, segment), bytes }
    }

    pub fn group(&self, at: usize) -> Option<(GroupHeader, &'a [u8])> {
        format::decode_group(self.bytes.get(at..)?, self.crc_start)
    }

    /// All groups, also those behind damage.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let mut at = SEGMENT_HEADER_LEN;
        let written = self.written();
        std::iter::from_fn(move || {
            if let Some((header, body)) = self.group(at) {
                let piece = Piece::Group { at, header, body };
                at += format::padded(GROUP_HEADER_LEN + body.len());
                return Some(piece);
            }
            let start = at;
            while at < written && self.group(at).is_none() {
                at += 8;
            }
            at = at.min(written);
            (start < at).then_some(Piece::Damage { at: start, end: at })
        })
    }

    /// Bytes without the zeros at the end.
    pub fn written(&self) -> usize {
        // Most of a segment may only be reserved, and zeros are compared quickest many at a time.
        let mut rest = self.bytes;
        while let Some((before, last)) = rest.split_last_chunk::<ZEROS>()
            && last == &[0; ZEROS]
        {
            rest = before;
        }
        rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    }

    /// How many whole groups are behind `from`, the last group that one of them says was synced, and the number of the first.
    pub fn groups_behind(&self, from: usize) -> (u64, u64, u64) {
        let (mut groups, mut synced, mut first) = (0, 0, 0);
        let mut at = from;
        let written = self.written();
        while at < written {
            match self.group(at) {
                Some((header, body)) => {
                    first = if groups == 0 { header.number } else { first };
                    groups += 1;
                    synced = synced.max(header.synced);
                    at += format::padded(GROUP_HEADER_LEN + body.len());
                }
                None => at += 8,
            }
        }
        (groups, synced, first)
    }
}

/// Reads until `bytes` are full or the segment ends. What is not there is left as it is.
pub fn read_whole<D: Disk>(disk: &mut D, segment: u32, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    let mut read = 0;
    while read < bytes.len() {
        match disk.read(segment, offset + read as u64, &mut bytes[read..])? {
            0 => break,
            count => read += count,
        }
    }
    Ok(())
}
