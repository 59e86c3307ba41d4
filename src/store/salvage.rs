//! Copying what is readable of a damaged store.

use std::collections::VecDeque;
use std::io;

use thiserror::Error;

use super::config::StoreConfig;
use super::disk::Disk;
use super::error::{OpenError, StoreError};
use super::format::{self, GROUP_HEADER_LEN, Header};
use super::index::{Index, position};
use super::inspect::{self, Finding, Item};
use super::log::Log;
use super::record::Record;
use super::recover::Replay;
use super::reports::News;
use super::walk::{Piece, Walk};
use crate::limits::STORE_CLEANING_BYTES;

/// What was copied, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    pub records: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub entries: u64,
    pub messages: u64,
    pub retained: u64,
    /// Entries, retained topics and facts of sessions whose message or session was lost.
    pub dangling_lost: u64,
    /// Groups that are missing or damaged, as far as the numbers of those around tell.
    pub groups_lost: u64,
    /// Bytes of segments that are not whole groups.
    pub bytes_lost: u64,
    pub findings: Vec<Finding>,
}

/// Why nothing, or not all, was copied.
#[derive(Debug, Error)]
pub enum SalvageError {
    #[error("the directory for the new store is not empty")]
    TargetNotEmpty,
    #[error("no segment has a readable header")]
    NoHeader,
    #[error("the damaged store cannot be read: {0}")]
    Source(io::Error),
    #[error("the new store cannot be written: {0}")]
    Target(StoreError),
}

/// Writes all facts of `source` that hold, as far as it is readable, to `target`, which must be empty. What was voided by a record that was lost
/// holds again. Of `config` the sizes count; the seed of hashes is that of `source`.
pub fn salvage<S: Disk, T: Disk>(
    source: &mut S,
    mut target: T,
    config: &StoreConfig,
) -> Result<Salvaged, SalvageError> {
    if !target.segments().map_err(|error| SalvageError::Target(StoreError::Io(error)))?.is_empty() {
        return Err(SalvageError::TargetNotEmpty);
    }
    let segments = source.segments().map_err(SalvageError::Source)?;
    let hash_seed = find_hash_seed(source, &segments).ok_or(SalvageError::NoHeader)?;
    let mut salvaged = Salvaged::default();
    let mut replay = Replay::new(hash_seed);
    each_group(source, &segments, hash_seed, &mut salvaged, &mut |salvaged, segment, offset, header, body| {
        if let Some(last) = replay.last_group {
            salvaged.groups_lost += header.number.saturating_sub(last + 1);
        }
        replay.last_group = Some(header.number);
        replay.counter = replay.counter.max(header.counter);
        // Records behind one that this version does not know are lost with it.
        if let Err(OpenError::Damaged { offset, .. }) = replay.records(segment, offset, body) {
            salvaged.bytes_lost += body.len() as u64;
            let place = inspect::Place { segment, offset };
            salvaged.findings.push(Finding { place, what: "a record cannot be decoded".into() });
        }
        Ok(())
    })?;
    replay.finish();
    salvaged.dangling_lost = replay.findings.dangling;
    let counts = replay.index.counts;
    salvaged.sessions = counts.sessions;
    salvaged.subscriptions = counts.subscriptions;
    salvaged.entries = counts.entries;
    salvaged.messages = counts.messages;
    salvaged.retained = counts.retained;

    let mut log = Log::new(target, config, hash_seed, VecDeque::new(), 0);
    log.start().map_err(|error| SalvageError::Target(StoreError::Io(error)))?;
    let (mut index, counter) = (replay.index, replay.counter);
    // Records are copied as they are; the positions in the index stay those in the source.
    let mut new_index = Index::new(hash_seed);
    let mut bytes = log.begin_group();
    each_group(source, &segments, hash_seed, &mut Salvaged::default(), &mut |_, segment, offset, _, body| {
        let mut at = 0;
        while let Some((record, len)) = Record::decode(&body[at..]) {
            let from = position(segment, (offset + at) as u64);
            if let Some(key) = index.key_of(&record)
                && index.position_of(key) == from
            {
                bytes.extend_from_slice(&body[at..at + len]);
                salvaged.records += 1;
            }
            at += len;
            if bytes.len() >= STORE_CLEANING_BYTES {
                write(&mut log, &mut new_index, std::mem::take(&mut bytes), counter)?;
                bytes = log.begin_group();
            }
        }
        Ok(())
    })?;
    write(&mut log, &mut new_index, bytes, counter)?;
    log.sync(&mut Vec::new()).map_err(SalvageError::Target)?;
    Ok(salvaged)
}

fn write<D: Disk>(log: &mut Log<D>, index: &mut Index, bytes: Vec<u8>, counter: u64) -> Result<(), SalvageError> {
    if bytes.len() > GROUP_HEADER_LEN {
        let start = log.place(index, format::padded(bytes.len())).map_err(SalvageError::Target)?;
        log.append(start, bytes, counter, News::default());
        log.flush(index, &mut Vec::new()).map_err(SalvageError::Target)?;
    }
    Ok(())
}

fn find_hash_seed<D: Disk>(disk: &mut D, segments: &[(u32, u64)]) -> Option<u64> {
    segments.iter().find_map(|(number, size)| {
        let bytes = inspect::read_segment(disk, *number, *size, &mut |_| {})?;
        match Header::decode(*number, &bytes) {
            Header::Valid(header) => Some(header.hash_seed),
            _ => None,
        }
    })
}

type VisitGroup<'a> = dyn FnMut(&mut Salvaged, u32, usize, format::GroupHeader, &[u8]) -> Result<(), SalvageError> + 'a;

/// Calls `visit` with segment, offset of the body, header and body of each whole group; counts the rest as lost.
fn each_group<D: Disk>(
    disk: &mut D,
    segments: &[(u32, u64)],
    hash_seed: u64,
    salvaged: &mut Salvaged,
    visit: &mut VisitGroup<'_>,
) -> Result<(), SalvageError> {
    for (number, size) in segments {
        let mut findings = Vec::new();
        let bytes = inspect::read_segment(disk, *number, *size, &mut |item| {
            if let Item::Finding(finding) = item {
                findings.push(finding);
            }
        });
        salvaged.findings.append(&mut findings);
        let Some(bytes) = bytes else {
            salvaged.bytes_lost += size;
            continue;
        };
        for piece in Walk::new(*number, hash_seed, &bytes).pieces() {
            match piece {
                Piece::Group { at, header, body } => {
                    visit(salvaged, *number, at + GROUP_HEADER_LEN, header, body)?;
                }
                Piece::Damage { at, end } => {
                    salvaged.bytes_lost += (end - at) as u64;
                    let place = inspect::Place { segment: *number, offset: at as u64 };
                    salvaged
                        .findings
                        .push(Finding { place, what: format!("{} bytes are not a whole group", end - at) });
                }
            }
        }
    }
    Ok(())
}
