//! Reads: entries with their messages, from disk or from what waits to be written.

use std::io;

use super::disk::Disk;
use super::facts::Facts;
use super::index::{self, Position};
use super::log::Log;
use super::record::{self, EntryState, Record, decode_entry, decode_message, simple_entry};
use crate::broker::batch::{Entry, Progress, ReadRequest};
use crate::broker::{Loaded, Message, Millis};
use crate::limits::STORE_READ_AHEAD;

/// Bytes that were read last: what a session waits for was mostly written together.
#[derive(Default)]
pub struct ReadCache {
    start: Position,
    bytes: Vec<u8>,
}

/// Answers a request. Entries that it gives up, because their messages have expired or are damaged, end.
pub fn load<D: Disk>(
    log: &mut Log<D>,
    facts: &mut Facts,
    cache: &mut ReadCache,
    request: &ReadRequest,
    now: Millis,
) -> io::Result<Loaded> {
    let mut loaded =
        Loaded { key: request.key, generation: request.generation, entries: Vec::new(), expired: 0, is_last: true };
    // Nothing changes before all is read: an error answers nothing, and the request is repeated.
    let mut ended = Vec::new();
    let mut last = 0;
    let mut bytes = 0;
    if let Some(session) = facts.index.session(request.session) {
        for slot in session.entries.iter().filter(|slot| slot.flags.is_spilled()) {
            let message = match slot.flags.state() {
                EntryState::Queued => facts.index.message(slot.stamp),
                _ => None,
            };
            let Some(message) = message else {
                ended.push(slot.number);
                continue;
            };
            if bytes >= request.bytes_max && !loaded.entries.is_empty() {
                loaded.is_last = false;
                break;
            }
            let len = message.record_len() as usize;
            let message = read_message(log, facts, cache, message.position, len)?;
            let entry = if slot.flags.has_details() {
                read_entry(log, facts, cache, slot.position, slot.record_len as usize)?
            } else {
                Some(simple_entry(slot.number, slot.stamp, slot.flags))
            };
            last = slot.number;
            match (entry, message) {
                (Some(mut entry), Some(message)) if message.expires_at.is_none_or(|at| at > now) => {
                    bytes += message.size();
                    entry.progress = Progress::Queued;
                    loaded.entries.push((entry, message));
                }
                _ => ended.push(slot.number),
            }
        }
    }
    facts.index.note_loaded(request.session, last);
    loaded.expired = ended.len() as u64;
    for number in ended {
        facts.apply(crate::broker::StoreOp::EndEntry { session: request.session, number });
    }
    Ok(loaded)
}

/// `None` if the record is damaged.
fn read_message<D: Disk>(
    log: &mut Log<D>,
    facts: &Facts,
    cache: &mut ReadCache,
    position: Position,
    len: usize,
) -> io::Result<Option<Message>> {
    if index::is_pending(position) {
        return Ok(facts.content(position).cloned());
    }
    let bytes = cache.read(log, position, len)?;
    let decoded = match Record::decode(bytes) {
        Some((Record::Message { body, .. }, _)) => decode_message(body, facts.clock),
        _ => None,
    };
    Ok(decoded)
}

fn read_entry<D: Disk>(
    log: &mut Log<D>,
    facts: &Facts,
    cache: &mut ReadCache,
    position: Position,
    len: usize,
) -> io::Result<Option<Entry>> {
    if index::is_pending(position) {
        return Ok(facts.waiting_entry(position).cloned());
    }
    let bytes = cache.read(log, position, len)?;
    let decoded = match Record::decode(bytes) {
        Some((Record::Entry { body, .. }, _)) => decode_entry(body),
        _ => None,
    };
    Ok(decoded)
}

impl ReadCache {
    /// What is at a position, at least `len` bytes unless the segment ends.
    pub fn read<'a, D: Disk>(
        &'a mut self,
        log: &'a mut Log<D>,
        position: Position,
        len: usize,
    ) -> io::Result<&'a [u8]> {
        let group = log.outstanding.iter().position(|group| group.slice_from(position).is_some());
        if let Some(bytes) = group.and_then(|group| log.outstanding[group].slice_from(position)) {
            return Ok(bytes);
        }
        let is_cached = position >= self.start && position + len as u64 <= self.start + self.bytes.len() as u64;
        if !is_cached {
            self.bytes.resize(len.max(STORE_READ_AHEAD), 0);
            self.start = position;
            let read = log.disk.read(index::segment_of(position), index::offset_of(position), &mut self.bytes);
            self.bytes.truncate(*read.as_ref().unwrap_or(&0));
            read?;
        }
        Ok(&self.bytes[(position - self.start) as usize..])
    }
}

/// The bytes of a message in memory, by what the index knows of it.
pub fn message_size(content_len: u32) -> u64 {
    (size_of::<Message>() + content_len as usize) as u64
}

const _: () = assert!(record::MESSAGE_OVERHEAD_MAX < STORE_READ_AHEAD);
