//! The second pass of a recovery: reads what the shards get back, in the order in which it is on disk.
//!
//! What will be there is laid out first, with places for what must be read; then each record goes to its place. So no message is
//! anywhere else on its way, and a recovery needs little more memory than what it brings back.

use super::config::StoreConfig;
use super::disk::Disk;
use super::error::OpenError;
use super::index::{EntrySlot, Index, Position, SessionSlot, offset_of, segment_of};
use super::log::Segment;
use super::read::message_size;
use super::record::{Clock, EntryState, Record, decode_entry, decode_message, decode_session, simple_entry};
use super::walk::read_whole;
use crate::broker::batch::{Entry, Progress, SessionRecord};
use crate::broker::{Message, Recovered, RecoveredSession};
use crate::codec::Qos;

/// Where a record that is read goes. Sessions, and messages of each, by their place in the list.
#[derive(Clone, Copy)]
enum Goal {
    Session { session: u32 },
    Subscription { session: u32 },
    QueuedEntry { session: u32, at: u32 },
    QueuedMessage { session: u32, at: u32 },
    InFlightEntry { session: u32, at: u32 },
    InFlightMessage { session: u32, at: u32 },
    Retained { at: u32 },
}

/// What is wanted, by position. A message that several want is in it as often.
type Wanted = Vec<(Position, Goal)>;

pub fn read<D: Disk>(
    disk: &mut D,
    index: &mut Index,
    segments: impl Iterator<Item = Segment>,
    config: &StoreConfig,
    clock: Clock,
    counter: u64,
) -> Result<Recovered, OpenError> {
    let mut wanted = Wanted::new();
    let mut recovered = lay_out(index, config.queue_memory_max as u64, &mut wanted);
    recovered.counter = counter;
    for session in &recovered.sessions {
        // What is not brought back is on disk only, whatever it was before.
        let first = session.queue.last().map_or(0, |(entry, _)| entry.number + 1);
        index.set_spilled(session.id, first);
    }
    wanted.sort_unstable_by_key(|(position, _)| *position);
    let mut bytes = Vec::new();
    let mut rest = &wanted[..];
    for segment in segments {
        let count = rest.partition_point(|(position, _)| segment_of(*position) <= segment.number);
        let (here, behind) = rest.split_at(count);
        rest = behind;
        if here.is_empty() {
            continue;
        }
        bytes.clear();
        bytes.resize(segment.end as usize, 0);
        read_whole(disk, segment.number, 0, &mut bytes)?;
        for same in here.chunk_by(|(a, _), (b, _)| a == b) {
            let offset = offset_of(same[0].0);
            let goals = same.iter().map(|(_, goal)| *goal);
            let put = bytes.get(offset as usize..).and_then(|bytes| put(&mut recovered, bytes, goals, clock));
            put.ok_or(OpenError::Damaged { segment: segment.number, offset, groups_behind: 0 })?;
        }
    }
    for session in &mut recovered.sessions {
        session.in_flight.sort_by_key(|(entry, _)| match entry.progress {
            Progress::Queued | Progress::Spilled => 0,
            Progress::InFlight { sequence } | Progress::Received { sequence } => sequence,
        });
        session.subscriptions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    Ok(recovered)
}

/// Places for all that is brought back, with what the index knows of it.
fn lay_out(index: &Index, queue_memory_max: u64, wanted: &mut Wanted) -> Recovered {
    let mut slots: Vec<&SessionSlot> = index.sessions.iter().map(Box::as_ref).collect();
    slots.sort_unstable_by_key(|slot| slot.id);
    let sessions = slots.into_iter().zip(0..).map(|(slot, session)| {
        wanted.push((slot.position, Goal::Session { session }));
        wanted.extend(slot.subscriptions.iter().map(|slot| (slot.position, Goal::Subscription { session })));
        lay_out_session(index, slot, session, queue_memory_max, wanted)
    });
    let sessions = sessions.collect();
    // In the order of their records: of two with one topic, which only a crash can leave, the later comes last.
    let mut retained: Vec<(Position, Position)> =
        index.messages.iter().filter(|slot| slot.retained != 0).map(|slot| (slot.retained, slot.position)).collect();
    retained.sort_unstable();
    wanted.extend(retained.iter().zip(0..).map(|((_, position), at)| (*position, Goal::Retained { at })));
    Recovered { counter: 0, sessions, retained: retained.iter().map(|_| no_message()).collect() }
}

fn lay_out_session(
    index: &Index,
    slot: &SessionSlot,
    session: u32,
    queue_memory_max: u64,
    wanted: &mut Wanted,
) -> RecoveredSession {
    let mut unreleased: Vec<u16> = slot.unreleased.iter().map(|slot| slot.packet_id).collect();
    unreleased.sort_unstable();
    let record = SessionRecord { client_id: "".into(), expiry_s: 0, expires_at: None, will: None };
    let message_of = |entry: &EntrySlot| {
        index.message(entry.stamp).map_or((0, 0), |slot| (slot.position, message_size(slot.content_len)))
    };
    let queued = || slot.entries.iter().filter(|entry| entry.flags.state() == EntryState::Queued);
    let mut memory = 0;
    let fit = queued().take_while(|entry| {
        memory += message_of(entry).1;
        memory <= queue_memory_max
    });
    let fit = fit.count();
    let mut queue = Vec::with_capacity(fit);
    for (entry, at) in queued().take(fit).zip(0..) {
        if entry.flags.has_details() {
            wanted.push((entry.position, Goal::QueuedEntry { session, at }));
        }
        wanted.push((message_of(entry).0, Goal::QueuedMessage { session, at }));
        queue.push((simple_entry(entry.number, entry.stamp, entry.flags), no_message()));
    }
    let mut in_flight = Vec::new();
    for entry in slot.entries.iter().filter(|entry| entry.flags.state() != EntryState::Queued) {
        let at = in_flight.len() as u32;
        wanted.push((entry.position, Goal::InFlightEntry { session, at }));
        let holds_message = entry.flags.holds_message();
        if holds_message {
            wanted.push((message_of(entry).0, Goal::InFlightMessage { session, at }));
        }
        let message = holds_message.then(no_message);
        in_flight.push((simple_entry(entry.number, entry.stamp, entry.flags), message));
    }
    let (spilled, spilled_bytes) =
        queued().skip(fit).fold((0, 0), |(count, bytes), entry| (count + 1, bytes + message_of(entry).1));
    RecoveredSession {
        id: slot.id,
        record,
        subscriptions: Vec::with_capacity(slot.subscriptions.len()),
        unreleased,
        in_flight,
        queue,
        spilled,
        spilled_bytes,
    }
}

/// Holds the place of one that is read later.
fn no_message() -> Message {
    Message::new("", &[], &[], Qos::AtMostOnce, false)
}

/// Puts the record at the start of `bytes` where it belongs; `None` if it is not what is wanted.
fn put(recovered: &mut Recovered, bytes: &[u8], goals: impl Iterator<Item = Goal>, clock: Clock) -> Option<()> {
    let (record, _) = Record::decode(bytes)?;
    let mut goals = goals.peekable();
    // The last one that wants a message gets it, so that one for a single session has no shared bytes.
    let mut message = match record {
        Record::Message { body, .. } => Some(decode_message(body, clock)?),
        _ => None,
    };
    while let Some(goal) = goals.next() {
        let mut next_message = || if goals.peek().is_some() { message.clone() } else { message.take() };
        match (goal, record) {
            (Goal::Session { session }, Record::Session { body, .. }) => {
                recovered.sessions[session as usize].record = decode_session(body, clock)?;
            }
            (Goal::Subscription { session }, Record::Subscription { filter, subscription, .. }) => {
                recovered.sessions[session as usize].subscriptions.push((filter.into(), subscription));
            }
            (Goal::QueuedEntry { session, at }, Record::Entry { body, .. }) => {
                let entry = Entry { progress: Progress::Queued, ..decode_entry(body)? };
                recovered.sessions[session as usize].queue[at as usize].0 = entry;
            }
            (Goal::InFlightEntry { session, at }, Record::Entry { body, .. }) => {
                recovered.sessions[session as usize].in_flight[at as usize].0 = decode_entry(body)?;
            }
            (Goal::QueuedMessage { session, at }, _) => {
                recovered.sessions[session as usize].queue[at as usize].1 = next_message()?;
            }
            (Goal::InFlightMessage { session, at }, _) => {
                recovered.sessions[session as usize].in_flight[at as usize].1 = Some(next_message()?);
            }
            (Goal::Retained { at }, _) => recovered.retained[at as usize] = next_message()?,
            _ => return None,
        }
    }
    Some(())
}
