//! Opening: which groups count, and what they say.
//!
//! First a look at the head of each segment: it tells which groups of the segment before count. Then segment by segment, one at a time in
//! memory, all records go to the index, where a later one replaces an earlier one. What a record names may come later, when it
//! was written anew by cleaning, so facts of sessions and messages that are not there (yet) are kept until the end.

use std::collections::VecDeque;
use std::io;

use super::config::StoreConfig;
use super::disk::Disk;
use super::error::OpenError;
use super::facts::expiry_s;
use super::format::{self, FORMAT, GROUP_HEADER_LEN, GroupHeader, Header, SEGMENT_HEADER_LEN};
use super::index::{
    EntrySlot, Index, Position, SubscriptionSlot, UnreleasedSlot, offset_of, packet_hash, position, segment_of,
};
use super::log::Segment;
use super::record::Record;
use super::walk::{Walk, read_whole};
use super::{Findings, RecoveryProgress};
use crate::limits::STORE_PROGRESS_BYTES;

/// What replaying the log gave.
pub struct Replayed {
    pub index: Index,
    pub hash_seed: u64,
    /// Those up to the last one with groups that count, each up to where these end.
    pub segments: VecDeque<Segment>,
    pub last_group: u64,
    /// Where the first group is that may not have been synced.
    pub unsynced: Position,
    pub counter: u64,
    pub findings: Findings,
}

/// A segment, as its head tells.
struct Head {
    number: u32,
    size: u64,
    is_valid: bool,
    first_group: Option<GroupHeader>,
}

pub fn replay<D: Disk>(
    disk: &mut D,
    config: &StoreConfig,
    progress: &mut dyn FnMut(RecoveryProgress),
) -> Result<Replayed, OpenError> {
    let (heads, hash_seed) = read_heads(disk)?;
    let hash_seed = hash_seed.unwrap_or(config.hash_seed);
    let mut replay = Replay::new(hash_seed);
    replay.findings.is_new = heads.is_empty();
    replay.findings.segments = heads.len() as u64;
    let mut segments = VecDeque::new();
    let bytes_total = heads.iter().map(|head| head.size).sum();
    let mut told = 0;
    let mut gap: Option<Gap> = None;
    let mut bytes = Vec::new();
    for (at, head) in heads.iter().enumerate() {
        bytes.clear();
        bytes.resize(head.size as usize, 0);
        read_whole(disk, head.number, 0, &mut bytes)?;
        replay.findings.bytes_read += bytes.len() as u64;
        let next = heads[at + 1..].iter().find_map(|next| Some((next.number == head.number + 1, next.first_group?)));
        let walk = Walk::new(head.number, hash_seed, &bytes);
        let mut end = SEGMENT_HEADER_LEN.min(bytes.len());
        if head.is_valid && gap.is_none() {
            end = replay.groups(&walk, next.map(|(_, group)| group.number))?;
        }
        let is_whole = next.is_some_and(|(is_adjacent, next)| match replay.last_group {
            _ if gap.is_some() => false,
            _ if is_adjacent => end as u64 == u64::from(next.previous_end),
            Some(last) => last + 1 == next.number,
            None => true,
        });
        segments.push_back(Segment { number: head.number, end: end as u64, size: head.size });
        if !is_whole {
            let (groups_behind, synced, first) = walk.groups_behind(end);
            // Where the very first group is not whole, its number is not known: it is at least the one before the next.
            let expected = replay.last_group.map_or(first.saturating_sub(1), |last| last + 1);
            let written = walk.written();
            let gap = gap.get_or_insert_default();
            // It is where the first bytes are that are not a group, which may be in a later segment than the last group.
            if gap.groups_behind == 0 && (gap.segment == 0 || written > end) {
                (gap.segment, gap.offset) = (head.number, end as u64);
            }
            gap.groups_behind += groups_behind;
            gap.is_damage |= groups_behind > 0 && synced >= expected;
            replay.findings.torn_bytes += written.saturating_sub(end) as u64;
        }
        if replay.findings.bytes_read - told >= STORE_PROGRESS_BYTES || at + 1 == heads.len() {
            told = replay.findings.bytes_read;
            progress(RecoveryProgress { bytes_read: told, bytes_total });
        }
    }
    if let Some(Gap { segment, offset, groups_behind, is_damage: true }) = gap {
        return Err(OpenError::Damaged { segment, offset, groups_behind });
    }
    while segments.pop_back_if(|segment: &mut Segment| segment.end <= SEGMENT_HEADER_LEN as u64).is_some() {}
    replay.finish();
    Ok(Replayed {
        index: replay.index,
        hash_seed,
        segments,
        last_group: replay.last_group.unwrap_or(0),
        // There is one if there is any group: the last.
        unsynced: replay.unsynced.front().map_or(0, |(_, position)| *position),
        counter: replay.counter,
        findings: replay.findings,
    })
}

/// Removes from the disk what does not count: segments without groups, and what is behind the last group.
pub fn cut<D: Disk>(disk: &mut D, segments: VecDeque<Segment>, unsynced: Position) -> io::Result<VecDeque<Segment>> {
    let last = segments.back().map_or(0, |segment| segment.number);
    let mut empty = disk.segments()?;
    empty.retain(|(number, _)| *number > last);
    for (number, _) in empty.into_iter().rev() {
        disk.delete(number)?;
    }
    for segment in segments.iter().filter(|segment| segment.number >= segment_of(unsynced)) {
        let start = if segment.number == segment_of(unsynced) { offset_of(unsynced) } else { 0 };
        make_durable(disk, segment, start)?;
    }
    let mut segments = segments;
    for segment in segments.iter_mut().filter(|segment| segment.size != segment.end) {
        disk.seal(segment.number, segment.end)?;
        segment.size = segment.end;
    }
    Ok(segments)
}

/// Groups that no other vouches for may be in the kernel only, when the process died and the machine did not. What comes now is written
/// behind them and must not outlive them. They are written once more, because the kernel does not write again what a sync that
/// failed should have written.
fn make_durable<D: Disk>(disk: &mut D, segment: &Segment, start: u64) -> io::Result<()> {
    let mut bytes = vec![0; segment.end.saturating_sub(start) as usize];
    read_whole(disk, segment.number, start, &mut bytes)?;
    match disk.write(segment.number, start, &bytes) {
        // A file system that writes to new places has no room for it; what is there is synced at least.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
        written => written?,
    }
    disk.sync(segment.number)
}

/// Where the groups end that count.
#[derive(Default)]
struct Gap {
    segment: u32,
    offset: u64,
    groups_behind: u64,
    is_damage: bool,
}

fn read_heads<D: Disk>(disk: &mut D) -> Result<(Vec<Head>, Option<u64>), OpenError> {
    let listed = disk.segments()?;
    let mut heads: Vec<Head> = Vec::with_capacity(listed.len());
    let mut hash_seed = None;
    let last = listed.last().map(|(number, _)| *number);
    for (number, size) in listed {
        if let Some(former) = heads.last()
            && former.number + 1 != number
        {
            return Err(OpenError::Missing { segment: former.number + 1 });
        }
        let mut bytes = vec![0; SEGMENT_HEADER_LEN + GROUP_HEADER_LEN];
        read_whole(disk, number, 0, &mut bytes)?;
        let mut is_valid = true;
        match Header::decode(number, &bytes) {
            Header::Valid(header) => {
                if hash_seed.is_some_and(|seed| seed != header.hash_seed) {
                    return Err(OpenError::Foreign { segment: number });
                }
                hash_seed = Some(header.hash_seed);
            }
            Header::Newer { format } => {
                return Err(OpenError::NewerFormat { segment: number, found: format, known: FORMAT });
            }
            Header::Foreign => return Err(OpenError::Foreign { segment: number }),
            // The header of the last segment may not have been synced when the machine went down; then nothing is behind it.
            Header::Unfinished if Some(number) == last && is_empty(disk, number, size)? => {
                is_valid = false;
            }
            Header::Unfinished | Header::Damaged => {
                return Err(OpenError::Damaged { segment: number, offset: 0, groups_behind: 0 });
            }
        }
        let first_group = match hash_seed {
            Some(seed) if is_valid => first_group(disk, number, size, &bytes[SEGMENT_HEADER_LEN..], seed)?,
            _ => None,
        };
        heads.push(Head { number, size, is_valid, first_group });
    }
    Ok((heads, hash_seed))
}

/// Whether a segment has nothing behind its header.
fn is_empty<D: Disk>(disk: &mut D, number: u32, size: u64) -> io::Result<bool> {
    let mut bytes = vec![0; size as usize];
    read_whole(disk, number, 0, &mut bytes)?;
    Ok(bytes.iter().skip(SEGMENT_HEADER_LEN).all(|byte| *byte == 0))
}

fn first_group<D: Disk>(
    disk: &mut D,
    segment: u32,
    size: u64,
    header: &[u8],
    hash_seed: u64,
) -> io::Result<Option<GroupHeader>> {
    let Some(len) = format::group_len(header) else { return Ok(None) };
    let mut bytes = vec![0; len.min(size) as usize];
    read_whole(disk, segment, SEGMENT_HEADER_LEN as u64, &mut bytes)?;
    let group = format::decode_group(&bytes, format::crc_start(hash_seed, segment));
    Ok(group.map(|(header, _)| header))
}

/// An index that grows record by record.
pub struct Replay {
    pub index: Index,
    pub last_group: Option<u64>,
    pub counter: u64,
    pub findings: Findings,
    /// Groups that none after them says were synced, with their places.
    unsynced: VecDeque<(u64, Position)>,
}

impl Replay {
    pub fn new(hash_seed: u64) -> Self {
        Self {
            index: Index::new(hash_seed),
            last_group: None,
            counter: 0,
            findings: Findings::default(),
            unsynced: VecDeque::new(),
        }
    }

    /// Replays a segment's groups up to `next_group`, with which the next segment begins, or to the first that is not whole. Returns
    /// where they end.
    fn groups(&mut self, walk: &Walk<'_>, next_group: Option<u64>) -> Result<usize, OpenError> {
        let mut at = SEGMENT_HEADER_LEN;
        while let Some((header, body)) = walk.group(at) {
            let follows = self.last_group.is_none_or(|last| header.number == last + 1);
            if !follows || next_group.is_some_and(|next| header.number >= next) {
                break;
            }
            self.records(walk.segment, at + GROUP_HEADER_LEN, body)?;
            self.last_group = Some(header.number);
            while self.unsynced.pop_front_if(|(number, _)| *number <= header.synced).is_some() {}
            self.unsynced.push_back((header.number, position(walk.segment, at as u64)));
            self.counter = self.counter.max(header.counter);
            self.findings.groups += 1;
            at += format::padded(GROUP_HEADER_LEN + body.len());
        }
        Ok(at.min(walk.bytes.len()))
    }

    /// Takes over the records of a group's body that begins at `offset`.
    pub fn records(&mut self, segment: u32, offset: usize, body: &[u8]) -> Result<(), OpenError> {
        let mut at = 0;
        while at < body.len() {
            let from = position(segment, (offset + at) as u64);
            // The checksum is right, so this version does not know what another one has written.
            let Some((record, len)) = Record::decode(&body[at..]) else {
                return Err(OpenError::Damaged { segment, offset: (offset + at) as u64, groups_behind: 0 });
            };
            self.record(&record, from, len as u32);
            self.findings.records += 1;
            at += len;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, from: Position, record_len: u32) {
        let index = &mut self.index;
        match *record {
            Record::Message { stamp, content_len, expires_at_ms, .. } => {
                let slot = index.message_or_new(stamp);
                slot.position = from;
                slot.content_len = content_len;
                slot.expires_at_s = if expires_at_ms == 0 { 0 } else { expiry_s(expires_at_ms) };
            }
            Record::Session { id, .. } => {
                let slot = index.session_or_new(id);
                (slot.position, slot.record_len) = (from, record_len);
            }
            Record::EndSession { id } => {
                index.remove_session(id);
            }
            Record::Subscription { session, filter, .. } => {
                let filter_hash = index.filter_hash(filter);
                let subscriptions = &mut index.session_or_new(session).subscriptions;
                let new = SubscriptionSlot { filter_hash, position: from, record_len };
                match subscriptions.find_mut(filter_hash, |slot| slot.filter_hash == filter_hash) {
                    Some(slot) => *slot = new,
                    None => {
                        subscriptions.insert_unique(filter_hash, new, |slot| slot.filter_hash);
                        index.counts.subscriptions += 1;
                    }
                }
            }
            Record::EndSubscription { session, filter } => {
                let filter_hash = index.filter_hash(filter);
                let subscriptions = index.session_mut(session).map(|slot| &mut slot.subscriptions);
                let found =
                    subscriptions.map(|slots| slots.find_entry(filter_hash, |slot| slot.filter_hash == filter_hash));
                if let Some(Ok(found)) = found {
                    found.remove();
                    index.counts.subscriptions -= 1;
                }
            }
            Record::Entry { session, number, stamp, flags, .. } => {
                let slot = index.session_or_new(session);
                let new = EntrySlot { number, stamp, position: from, record_len, flags };
                match slot.find_entry(number) {
                    Ok(at) => slot.entries[at] = new,
                    Err(at) => {
                        slot.entries.insert(at, new);
                        index.counts.entries += 1;
                    }
                }
            }
            Record::EndEntry { session, number } => {
                if let Some(slot) = index.session_mut(session)
                    && let Ok(at) = slot.find_entry(number)
                {
                    slot.entries.remove(at);
                    index.counts.entries -= 1;
                }
            }
            Record::Unreleased { session, packet_id } => {
                let unreleased = &mut index.session_or_new(session).unreleased;
                let hash = packet_hash(packet_id);
                let new = UnreleasedSlot { packet_id, position: from };
                match unreleased.find_mut(hash, |slot| slot.packet_id == packet_id) {
                    Some(slot) => *slot = new,
                    None => {
                        unreleased.insert_unique(hash, new, |slot| packet_hash(slot.packet_id));
                    }
                }
            }
            Record::Released { session, packet_id } => {
                let unreleased = index.session_mut(session).map(|slot| &mut slot.unreleased);
                let hash = packet_hash(packet_id);
                if let Some(Ok(found)) =
                    unreleased.map(|slots| slots.find_entry(hash, |slot| slot.packet_id == packet_id))
                {
                    found.remove();
                }
            }
            Record::Retain { stamp } => {
                let former = std::mem::replace(&mut index.message_or_new(stamp).retained, from);
                index.counts.retained += u64::from(former == 0);
            }
            Record::Forget { stamp } => {
                let former = index.message_mut(stamp).map_or(0, |slot| std::mem::take(&mut slot.retained));
                index.counts.retained -= u64::from(former != 0);
            }
        }
    }

    /// Drops what names something that is not there, and messages that nothing names.
    pub fn finish(&mut self) {
        let sessions = self.index.sessions.iter();
        let nameless: Vec<u64> = sessions.filter(|slot| slot.position == 0).map(|slot| slot.id).collect();
        for id in nameless {
            let slot = self.index.remove_session(id);
            let facts = slot.map_or(0, |slot| slot.subscriptions.len() + slot.entries.len() + slot.unreleased.len());
            self.findings.dangling += facts as u64;
        }
        let mut refs: Vec<u64> = Vec::new();
        for slot in self.index.sessions.iter() {
            refs.extend(slot.entries.iter().filter(|entry| entry.flags.holds_message()).map(|entry| entry.stamp));
        }
        let mut has_dangling = false;
        for stamp in refs {
            match self.index.message_mut(stamp) {
                Some(slot) if slot.position != 0 => slot.refs += 1,
                _ => has_dangling = true,
            }
        }
        if has_dangling {
            self.drop_dangling_entries();
        }
        let dangling = self.index.messages.iter().filter(|slot| slot.position == 0 && slot.retained != 0).count();
        self.findings.dangling += dangling as u64;
        let Index { messages, counts, bytes_live, .. } = &mut self.index;
        (counts.messages, counts.retained, *bytes_live) = (0, 0, 0);
        messages.retain(|slot| {
            let keep = slot.position != 0 && (slot.refs != 0 || slot.retained != 0);
            if keep {
                counts.messages += 1;
                counts.retained += u64::from(slot.retained != 0);
                *bytes_live += u64::from(slot.record_len());
                *bytes_live += if slot.retained != 0 { u64::from(super::index::RETAIN_LEN) } else { 0 };
            }
            keep
        });
        for slot in self.index.sessions.iter() {
            let subscriptions = slot.subscriptions.iter().map(|slot| u64::from(slot.record_len));
            let entries = slot.entries.iter().map(|slot| u64::from(slot.record_len));
            let unreleased = slot.unreleased.len() as u64 * u64::from(super::index::UNRELEASED_LEN);
            self.index.bytes_live +=
                u64::from(slot.record_len) + subscriptions.sum::<u64>() + entries.sum::<u64>() + unreleased;
        }
    }

    fn drop_dangling_entries(&mut self) {
        let mut dangling = Vec::new();
        for slot in self.index.sessions.iter() {
            for entry in slot.entries.iter().filter(|entry| entry.flags.holds_message()) {
                if self.index.message(entry.stamp).is_none_or(|message| message.position == 0) {
                    dangling.push((slot.id, entry.number));
                }
            }
        }
        self.findings.dangling += dangling.len() as u64;
        for (session, number) in dangling {
            if let Some(slot) = self.index.session_mut(session)
                && let Ok(at) = slot.find_entry(number)
            {
                slot.entries.remove(at);
                self.index.counts.entries -= 1;
            }
        }
    }
}
