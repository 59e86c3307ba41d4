//! The second pass of a recovery: reads what the shards get back, in the order in which it is on disk.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::config::StoreConfig;
use super::disk::Disk;
use super::error::OpenError;
use super::index::{Index, Position, offset_of, segment_of};
use super::log::Segment;
use super::read::message_size;
use super::record::{Clock, EntryState, Record, decode_entry, decode_message, decode_session};
use crate::broker::batch::Progress;
use crate::broker::{Message, Recovered, RecoveredSession};

/// A record that is wanted.
enum Want {
    Session {
        at: usize,
    },
    Subscription {
        at: usize,
    },
    /// Wanted so often.
    Message {
        stamp: u64,
        uses: u32,
    },
    Entry {
        at: usize,
    },
}

pub fn read<D: Disk>(
    disk: &mut D,
    index: &mut Index,
    segments: impl Iterator<Item = Segment>,
    config: &StoreConfig,
    clock: Clock,
    counter: u64,
) -> Result<Recovered, OpenError> {
    let mut sessions: Vec<_> = index.sessions.iter().collect();
    sessions.sort_unstable_by_key(|slot| slot.id);
    let mut wants: Vec<(Position, Want)> = Vec::new();
    let mut uses: HashMap<u64, u32, FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    let mut first_spilled = Vec::with_capacity(sessions.len());
    let mut recovered: Vec<RecoveredSession> = Vec::with_capacity(sessions.len());
    for (at, slot) in sessions.iter().enumerate() {
        wants.push((slot.position, Want::Session { at }));
        wants.extend(slot.subscriptions.iter().map(|slot| (slot.position, Want::Subscription { at })));
        let mut unreleased: Vec<u16> = slot.unreleased.iter().map(|slot| slot.packet_id).collect();
        unreleased.sort_unstable();
        let mut session = RecoveredSession { id: slot.id, unreleased, ..empty_session() };
        let (mut memory, mut is_full) = (0, false);
        let mut first = u64::MAX;
        for entry in &slot.entries {
            let size = index.message(entry.stamp).map_or(0, |message| message_size(message.content_len));
            if entry.flags.state() == EntryState::Queued {
                is_full |= memory + size > config.queue_memory_max as u64;
                if is_full {
                    first = first.min(entry.number);
                    session.spilled += 1;
                    session.spilled_bytes += size;
                    continue;
                }
                memory += size;
            }
            wants.push((entry.position, Want::Entry { at }));
            if entry.flags.holds_message() {
                *uses.entry(entry.stamp).or_default() += 1;
            }
        }
        recovered.push(session);
        first_spilled.push((slot.id, first));
    }
    first_spilled.into_iter().for_each(|(id, first)| index.set_spilled(id, first));
    let mut retained: Vec<(Position, u64)> = Vec::new();
    for slot in index.messages.iter() {
        let mut count = uses.get(&slot.stamp).copied().unwrap_or(0);
        if slot.retained != 0 {
            retained.push((slot.retained, slot.stamp));
            count += 1;
        }
        if count > 0 {
            wants.push((slot.position, Want::Message { stamp: slot.stamp, uses: count }));
        }
    }
    drop(uses);
    retained.sort_unstable();
    wants.sort_unstable_by_key(|(position, _)| *position);

    let mut messages: HashMap<u64, (Message, u32), FixedState> = HashMap::with_hasher(FixedState::with_seed(0));
    let mut entries = Vec::new();
    let mut wants = wants.into_iter().peekable();
    for segment in segments {
        if wants.peek().is_none_or(|(position, _)| segment_of(*position) != segment.number) {
            continue;
        }
        let mut bytes = vec![0; segment.end as usize];
        let mut read = 0;
        while read < bytes.len() {
            match disk.read(segment.number, read as u64, &mut bytes[read..])? {
                0 => break,
                count => read += count,
            }
        }
        while let Some((position, want)) = wants.next_if(|(position, _)| segment_of(*position) == segment.number) {
            let damaged =
                || OpenError::Damaged { segment: segment.number, offset: offset_of(position), groups_behind: 0 };
            let bytes = bytes.get(offset_of(position) as usize..).ok_or_else(damaged)?;
            let (record, _) = Record::decode(bytes).ok_or_else(damaged)?;
            match (want, record) {
                (Want::Session { at }, Record::Session { body, .. }) => {
                    recovered[at].record = decode_session(body, clock).ok_or_else(damaged)?;
                }
                (Want::Subscription { at }, Record::Subscription { filter, subscription, .. }) => {
                    recovered[at].subscriptions.push((filter.into(), subscription));
                }
                (Want::Message { stamp, uses }, Record::Message { body, .. }) => {
                    messages.insert(stamp, (decode_message(body, clock).ok_or_else(damaged)?, uses));
                }
                (Want::Entry { at }, Record::Entry { body, .. }) => {
                    entries.push((at, decode_entry(body).ok_or_else(damaged)?));
                }
                _ => return Err(damaged()),
            }
        }
    }

    // The last one that wants a message takes it, so that one that is alone has no shared bytes.
    let mut message_of = |stamp: u64| match messages.get_mut(&stamp) {
        Some((message, uses)) if *uses > 1 => {
            *uses -= 1;
            Some(message.clone())
        }
        _ => messages.remove(&stamp).map(|(message, _)| message),
    };
    for (at, mut entry) in entries {
        let session = &mut recovered[at];
        match entry.progress {
            Progress::Queued | Progress::Spilled => {
                entry.progress = Progress::Queued;
                session.queue.extend(message_of(entry.stamp).map(|message| (entry, message)));
            }
            Progress::InFlight { .. } => {
                let message = message_of(entry.stamp);
                session.in_flight.push((entry, message));
            }
            Progress::Received { .. } => session.in_flight.push((entry, None)),
        }
    }
    let retained = retained.into_iter().filter_map(|(_, stamp)| message_of(stamp)).collect();
    for session in &mut recovered {
        session.queue.sort_unstable_by_key(|(entry, _)| entry.number);
        session.in_flight.sort_by_key(|(entry, _)| match entry.progress {
            Progress::Queued | Progress::Spilled => 0,
            Progress::InFlight { sequence } | Progress::Received { sequence } => sequence,
        });
        session.subscriptions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    Ok(Recovered { counter, sessions: recovered, retained })
}

fn empty_session() -> RecoveredSession {
    RecoveredSession {
        id: 0,
        record: crate::broker::batch::SessionRecord { client_id: "".into(), expiry_s: 0, expires_at: None, will: None },
        subscriptions: Vec::new(),
        unreleased: Vec::new(),
        in_flight: Vec::new(),
        queue: Vec::new(),
        spilled: 0,
        spilled_bytes: 0,
    }
}
