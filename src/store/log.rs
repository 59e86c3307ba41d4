//! Segments and groups on the disk: where the next group goes, what was written and what was synced, and what to do when that
//! fails.

use std::collections::VecDeque;
use std::io;

use super::config::{Acknowledge, StoreConfig};
use super::disk::Disk;
use super::error::StoreError;
use super::format::{self, GROUP_HEADER_LEN, GroupHeader, SEGMENT_HEADER_LEN, SegmentHeader};
use super::index::{Index, Position, position};
use super::record::Record;
use super::reports::News;
use crate::broker::Millis;
use crate::limits::{STORE_BUFFER_KEPT, STORE_SPARE_RETRY_MS};

pub struct Log<D> {
    pub disk: D,
    pub hash_seed: u64,
    acknowledge: Acknowledge,
    segment_size: u64,
    size_max: u64,
    /// Oldest first; the last is the current one.
    pub segments: VecDeque<Segment>,
    /// The next segment, created ahead: when there is no room for it, there is still some in the current one.
    spare: Option<u32>,
    /// When it last failed to be created.
    spare_failed_at: Option<Millis>,
    /// Where the groups of the segment before the current one end.
    previous_end: u32,
    next_group: u64,
    synced_group: u64,
    /// Groups that were not synced.
    pub outstanding: VecDeque<Group>,
    /// Writing or syncing the current segment has failed: what was not synced must be written again elsewhere.
    is_distrusted: bool,
    to_seal: Vec<(u32, u64)>,
    to_delete: VecDeque<u32>,
    pub groups_written: u64,
    pub bytes_written: u64,
    pub syncs: u64,
    pub segments_deleted: u64,
    /// The buffer of a group that was synced.
    buffer: Vec<u8>,
}

pub struct Segment {
    pub number: u32,
    /// Bytes that are written.
    pub end: u64,
    /// Bytes that are reserved.
    pub size: u64,
}

/// A group that was not synced.
pub struct Group {
    number: u64,
    counter: u64,
    start: Position,
    body_len: usize,
    pub bytes: Vec<u8>,
    is_written: bool,
    /// What the shards are told when it is durable.
    news: Option<News>,
    /// Segments of which nothing is needed when it is synced.
    frees: Vec<u32>,
}

impl Group {
    /// What the group has from there on, if it is there.
    pub fn slice_from(&self, position: Position) -> Option<&[u8]> {
        let offset = position.checked_sub(self.start)?;
        self.bytes.get(usize::try_from(offset).ok()?..).filter(|bytes| !bytes.is_empty())
    }
}

impl<D: Disk> Log<D> {
    pub fn new(disk: D, config: &StoreConfig, hash_seed: u64, segments: VecDeque<Segment>, last_group: u64) -> Self {
        Self {
            disk,
            hash_seed,
            acknowledge: config.acknowledge,
            segment_size: config.segment_size,
            size_max: config.size_max,
            segments,
            spare: None,
            spare_failed_at: None,
            previous_end: 0,
            next_group: last_group + 1,
            synced_group: last_group,
            outstanding: VecDeque::new(),
            is_distrusted: false,
            to_seal: Vec::new(),
            to_delete: VecDeque::new(),
            groups_written: 0,
            bytes_written: 0,
            syncs: 0,
            segments_deleted: 0,
            buffer: Vec::new(),
        }
    }

    /// Begins a segment and creates the spare one, as far as there is room.
    pub fn start(&mut self) -> io::Result<()> {
        for is_spare in [false, true] {
            match self.create() {
                Ok(number) if is_spare => self.spare = Some(number),
                Ok(number) => self.push_segment(number),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether there is room for new facts, and will be.
    pub fn is_accepting(&self) -> bool {
        let spare = if self.spare.is_some() { self.segment_size } else { 0 };
        let sizes = self.segments.iter().map(|segment| segment.size);
        self.spare.is_some() && sizes.sum::<u64>() + spare <= self.size_max
    }

    /// Whether records may be written anew. Without a spare segment, a part of the current one is kept for facts that end.
    pub fn has_room_to_clean(&self) -> bool {
        self.spare.is_some() || self.segments.back().is_some_and(|current| current.end < current.size / 4 * 3)
    }

    pub fn prepare_spare(&mut self, now: Millis) {
        let is_too_early = self.spare_failed_at.is_some_and(|at| now.saturating_sub(at) < STORE_SPARE_RETRY_MS);
        if self.spare.is_some() || is_too_early {
            return;
        }
        match self.create() {
            Ok(number) => (self.spare, self.spare_failed_at) = (Some(number), None),
            Err(_) => self.spare_failed_at = Some(now),
        }
    }

    /// Where a group of about so many bytes goes.
    pub fn place(&mut self, index: &mut Index, bytes: usize) -> Result<Position, StoreError> {
        let is_empty = |segment: &Segment| segment.end <= SEGMENT_HEADER_LEN as u64;
        let fits = |segment: &Segment| segment.end + bytes as u64 <= segment.size || is_empty(segment);
        if !self.segments.back().is_some_and(fits) {
            self.begin_segment(index)?;
        }
        let Some(current) = self.segments.back() else { return Err(StoreError::NoSpace) };
        if current.end + bytes as u64 > u64::from(u32::MAX) {
            return Err(StoreError::Io(io::Error::other("more than 4 GiB wait to be written at once")));
        }
        Ok(position(current.number, current.end))
    }

    /// A buffer for a group, with room for its header.
    pub fn begin_group(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.buffer);
        format::begin_group(&mut bytes);
        bytes
    }

    /// Adds a group that begins at `start`, where [`place`](Self::place) said.
    pub fn append(&mut self, start: Position, mut bytes: Vec<u8>, counter: u64, news: News) {
        let body_len = bytes.len() - GROUP_HEADER_LEN;
        let number = self.next_group;
        self.next_group += 1;
        let header = GroupHeader { previous_end: self.previous_end, number, synced: self.synced_group, counter };
        let Some(current) = self.segments.back_mut() else { return };
        format::finish_group(&mut bytes, body_len, header, format::crc_start(self.hash_seed, current.number));
        current.end += bytes.len() as u64;
        current.size = current.size.max(current.end);
        self.outstanding.push_back(Group {
            number,
            counter,
            start,
            body_len,
            bytes,
            is_written: false,
            news: Some(news),
            frees: Vec::new(),
        });
    }

    /// Nothing of the segment is needed any more, once all that was appended is synced.
    pub fn free(&mut self, segment: u32) {
        match self.outstanding.back_mut() {
            Some(group) => group.frees.push(segment),
            None => {
                self.to_delete.push_back(segment);
                self.delete();
            }
        }
    }

    /// Gives the kernel all that was appended, and syncs it if only that counts. News that are true now are appended to `news`.
    pub fn flush(&mut self, index: &mut Index, news: &mut Vec<News>) -> Result<(), StoreError> {
        if self.is_distrusted {
            self.begin_segment(index)?;
        }
        for group in self.outstanding.iter_mut().filter(|group| !group.is_written) {
            let segment = super::index::segment_of(group.start);
            if let Err(error) = self.disk.write(segment, super::index::offset_of(group.start), &group.bytes) {
                if error.kind() == io::ErrorKind::StorageFull {
                    return Err(StoreError::NoSpace);
                }
                self.is_distrusted = true;
                return Err(StoreError::Io(error));
            }
            group.is_written = true;
            self.groups_written += 1;
            self.bytes_written += group.bytes.len() as u64;
        }
        match self.acknowledge {
            Acknowledge::Synced => self.sync(news),
            Acknowledge::Written => {
                news.extend(self.outstanding.iter_mut().filter_map(|group| group.news.take()));
                Ok(())
            }
        }
    }

    /// Syncs what was written.
    pub fn sync(&mut self, news: &mut Vec<News>) -> Result<(), StoreError> {
        let written = self.outstanding.iter().take_while(|group| group.is_written).count();
        if self.is_distrusted || written == 0 {
            return Ok(());
        }
        let Some(current) = self.segments.back() else { return Ok(()) };
        self.syncs += 1;
        if let Err(error) = self.disk.sync(current.number) {
            self.is_distrusted = true;
            return Err(StoreError::Io(error));
        }
        for group in self.outstanding.drain(..written) {
            self.synced_group = group.number;
            news.extend(group.news);
            self.to_delete.extend(group.frees);
            self.buffer = group.bytes;
            self.buffer.clear();
            self.buffer.shrink_to(STORE_BUFFER_KEPT);
        }
        self.seal();
        self.delete();
        Ok(())
    }

    pub fn is_distrusted(&self) -> bool {
        self.is_distrusted
    }

    fn begin_segment(&mut self, index: &mut Index) -> Result<(), StoreError> {
        // All groups that are not synced are in one segment: so what a crash tears is in the last one.
        if !self.is_distrusted && self.outstanding.iter().any(|group| group.is_written) {
            let mut news = Vec::new();
            // What fails here is done again in the new segment.
            let _ = self.sync(&mut news);
            debug_assert!(news.is_empty());
        }
        let number = match self.spare.take() {
            Some(number) => number,
            None => self.create().map_err(|error| match error.kind() {
                io::ErrorKind::StorageFull => StoreError::NoSpace,
                _ => StoreError::Io(error),
            })?,
        };
        if let Some(former) = self.segments.back_mut() {
            if let Some(group) = self.outstanding.front() {
                former.end = super::index::offset_of(group.start);
            }
            self.to_seal.push((former.number, former.end));
        }
        self.push_segment(number);
        self.move_outstanding(index);
        self.is_distrusted = false;
        Ok(())
    }

    /// Gives groups that were not synced their places in the new segment.
    fn move_outstanding(&mut self, index: &mut Index) {
        let Some(current) = self.segments.back_mut() else { return };
        let crc_start = format::crc_start(self.hash_seed, current.number);
        for group in &mut self.outstanding {
            let start = position(current.number, current.end);
            let mut at = GROUP_HEADER_LEN;
            while let Some((record, len)) = Record::decode(&group.bytes[at..GROUP_HEADER_LEN + group.body_len]) {
                if let Some(key) = index.key_of(&record)
                    && index.position_of(key) == group.start + at as u64
                {
                    index.move_to(key, start + at as u64);
                }
                at += len;
            }
            group.start = start;
            group.is_written = false;
            let header = GroupHeader {
                previous_end: self.previous_end,
                number: group.number,
                synced: self.synced_group,
                counter: group.counter,
            };
            format::finish_group(&mut group.bytes, group.body_len, header, crc_start);
            current.end += group.bytes.len() as u64;
            current.size = current.size.max(current.end);
        }
    }

    /// Creates the segment behind the last one.
    fn create(&mut self) -> io::Result<u32> {
        let last = self.spare.or(self.segments.back().map(|segment| segment.number)).unwrap_or(0);
        let number = last + 1;
        match self.disk.create(number, self.segment_size) {
            // Left by an attempt that failed half-way.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.disk.delete(number)?;
                self.disk.create(number, self.segment_size)?;
            }
            result => result?,
        }
        let header = SegmentHeader { number, hash_seed: self.hash_seed }.encode();
        let written = self.disk.write(number, 0, &header).and_then(|()| self.disk.sync(number));
        if let Err(error) = written {
            let _ = self.disk.delete(number);
            return Err(error);
        }
        Ok(number)
    }

    fn push_segment(&mut self, number: u32) {
        self.previous_end = self.segments.back().map_or(0, |former| former.end as u32);
        self.segments.push_back(Segment { number, end: SEGMENT_HEADER_LEN as u64, size: self.segment_size });
    }

    /// What fails here is tried again after the next sync.
    fn seal(&mut self) {
        let Self { to_seal, disk, segments, .. } = self;
        to_seal.retain(|(number, end)| {
            let Some(segment) = segments.iter_mut().find(|segment| segment.number == *number) else { return false };
            let sealed = disk.seal(*number, *end);
            if sealed.is_ok() {
                segment.size = *end;
            }
            sealed.is_err()
        });
    }

    /// Oldest first, so that nothing that voids a record goes before the record itself.
    fn delete(&mut self) {
        while let Some(number) = self.to_delete.front() {
            match self.disk.delete(*number) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return,
                _ => {}
            }
            self.segments.retain(|segment| segment.number != *number);
            self.to_delete.pop_front();
            self.segments_deleted += 1;
        }
    }

    /// Whether the segment waits to be deleted.
    pub fn is_freed(&self, segment: u32) -> bool {
        self.to_delete.contains(&segment) || self.outstanding.iter().any(|group| group.frees.contains(&segment))
    }
}
