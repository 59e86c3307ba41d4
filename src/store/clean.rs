//! Cleaning: what still holds in the oldest segment is written anew, then the segment is deleted.

use std::io;

use super::disk::Disk;
use super::error::StoreError;
use super::facts::{Facts, may_expire};
use super::format::{self, GROUP_HEADER_LEN, SEGMENT_HEADER_LEN};
use super::index::{FactKey, position};
use super::log::Log;
use super::record::{EntryState, Record};
use crate::broker::Millis;
use crate::limits::{STORE_CLEANING_BYTES, STORE_EXPIRY_GRACE_S};

/// Where cleaning is.
#[derive(Default)]
pub struct Cleaning {
    segment: u32,
    offset: u64,
    /// The segment's last live records are in what waits to be written.
    pub finished: Option<u32>,
    /// Damage was found in this segment: it stays, and with it all that is newer.
    stuck: Option<u32>,
}

impl Cleaning {
    /// Takes a piece of the oldest segment. True if there is more to do now.
    pub fn step<D: Disk>(
        &mut self,
        log: &mut Log<D>,
        facts: &mut Facts,
        segment_size: u64,
        now: Millis,
    ) -> Result<bool, StoreError> {
        if self.finished.is_some() || log.is_distrusted() || !log.has_room_to_clean() {
            return Ok(false);
        }
        let oldest = log.segments.iter().find(|segment| !log.is_freed(segment.number));
        let Some((number, end)) = oldest.map(|segment| (segment.number, segment.end)) else { return Ok(false) };
        let is_current = log.segments.back().is_some_and(|current| current.number == number);
        let is_begun = self.segment == number && self.offset > SEGMENT_HEADER_LEN as u64;
        if is_current || self.stuck == Some(number) || !(is_begun || is_worthwhile(log, facts, segment_size)) {
            return Ok(false);
        }
        if self.segment != number {
            (self.segment, self.offset) = (number, SEGMENT_HEADER_LEN as u64);
        }
        let piece = self.read(log, end)?;
        let crc_start = format::crc_start(log.hash_seed, number);
        let mut at = 0;
        while at < piece.len() {
            let offset = self.offset + at as u64;
            let group = format::decode_group(&piece[at..], crc_start);
            let kept = group.filter(|(_, body)| keep_live(facts, number, offset + GROUP_HEADER_LEN as u64, body, now));
            let Some((_, body)) = kept else {
                self.stuck = Some(number);
                let damage = format!("segment {number} is damaged at byte {offset}");
                return Err(StoreError::Io(io::Error::new(io::ErrorKind::InvalidData, damage)));
            };
            at += format::padded(GROUP_HEADER_LEN + body.len());
        }
        self.offset += at as u64;
        if self.offset >= end {
            self.finished = Some(number);
        }
        Ok(true)
    }

    /// Whole groups from `offset` on: as many as fit, at least one.
    fn read<D: Disk>(&self, log: &mut Log<D>, end: u64) -> Result<Vec<u8>, StoreError> {
        let left = (end - self.offset) as usize;
        let mut piece = vec![0; left.min(STORE_CLEANING_BYTES)];
        self.read_at(log, &mut piece, 0)?;
        let mut whole = 0;
        while let Some(len) = piece.get(whole..).and_then(format::group_len) {
            let len = len as usize;
            if whole + len > piece.len() {
                if whole == 0 && len <= left {
                    let read = piece.len();
                    piece.resize(len, 0);
                    self.read_at(log, &mut piece, read)?;
                    whole = len;
                }
                break;
            }
            whole += len;
        }
        if whole > 0 {
            piece.truncate(whole);
        }
        Ok(piece)
    }

    fn read_at<D: Disk>(&self, log: &mut Log<D>, piece: &mut [u8], from: usize) -> Result<(), StoreError> {
        let wanted = &mut piece[from..];
        let read = log.disk.read(self.segment, self.offset + from as u64, wanted).map_err(StoreError::Io)?;
        if read < wanted.len() {
            return Err(StoreError::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }
}

/// Whether enough of the log is void. A store that does not accept is content with less.
fn is_worthwhile<D: Disk>(log: &Log<D>, facts: &Facts, segment_size: u64) -> bool {
    let bytes: u64 = log.segments.iter().map(|segment| segment.end).sum();
    let void = bytes.saturating_sub(facts.index.bytes_live);
    if log.is_accepting() {
        void > facts.index.bytes_live && void >= 2 * segment_size
    } else {
        void > facts.index.bytes_live / 8 && void >= segment_size
    }
}

/// Takes the records of a group that still hold, and gives up what has expired. False if there are others behind them.
fn keep_live(facts: &mut Facts, segment: u32, offset: u64, body: &[u8], now: Millis) -> bool {
    let wall_s = facts.clock.to_wall(now) / 1000;
    let expired_by_s = wall_s.saturating_sub(STORE_EXPIRY_GRACE_S);
    let mut at = 0;
    while let Some((record, len)) = Record::decode(&body[at..]) {
        let from = position(segment, offset + at as u64);
        let bytes = &body[at..at + len];
        at += len;
        let Some(key) = facts.index.key_of(&record) else { continue };
        if facts.index.position_of(key) != from {
            continue;
        }
        let is_expired =
            |facts: &Facts, stamp| facts.index.message(stamp).is_some_and(|message| message.is_expired(expired_by_s));
        match record {
            Record::Entry { session, number, stamp, flags, .. } if may_expire(flags) && is_expired(facts, stamp) => {
                debug_assert_eq!(flags.state(), EntryState::Queued);
                facts.expire(session, number);
            }
            Record::Message { stamp, .. } if is_expired(facts, stamp) => {
                facts.forget(stamp);
                // Entries that need it are behind it. If one of them is to stay, the message stays.
                if facts.index.position_of(FactKey::Message { stamp }) == from {
                    facts.relocate(from, bytes);
                }
            }
            Record::Retain { stamp } if is_expired(facts, stamp) => facts.forget(stamp),
            _ => facts.relocate(from, bytes),
        }
    }
    at == body.len()
}
