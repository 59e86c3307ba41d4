//! What must hold, as plain maps.

use std::collections::{BTreeMap, BTreeSet};

use ringmq::broker::batch::Progress;
use ringmq::broker::{Recovered, RecoveredSession};

use crate::op::{self, Op};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub sessions: BTreeMap<u64, Session>,
    pub retained: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub version: u32,
    pub subscriptions: BTreeMap<u32, u32>,
    pub entries: BTreeMap<u64, (u64, Progress)>,
    pub unreleased: BTreeSet<u16>,
}

impl Facts {
    pub fn apply(&mut self, op: Op) {
        match op {
            Op::Message { .. } => {}
            Op::Session { id, version } => self.sessions.entry(id).or_default().version = version,
            Op::EndSession { id } => {
                self.sessions.remove(&id);
            }
            Op::Retain { stamp } => {
                self.retained.insert(stamp);
            }
            Op::Forget { stamp } => {
                self.retained.remove(&stamp);
            }
            Op::Subscription { session, .. }
            | Op::EndSubscription { session, .. }
            | Op::Entry { session, .. }
            | Op::EndEntry { session, .. }
            | Op::Unreleased { session, .. }
            | Op::Released { session, .. } => {
                if let Some(session) = self.sessions.get_mut(&session) {
                    session.apply(op);
                }
            }
        }
    }

    /// Stamps of the messages that something needs.
    pub fn messages(&self) -> BTreeSet<u64> {
        let entries = self.sessions.values().flat_map(|session| session.entries.values());
        let needed = entries.filter(|(_, progress)| !matches!(progress, Progress::Received { .. }));
        needed.map(|(stamp, _)| *stamp).chain(self.retained.iter().copied()).collect()
    }
}

impl Session {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Subscription { filter, version, .. } => {
                self.subscriptions.insert(filter, version);
            }
            Op::EndSubscription { filter, .. } => {
                self.subscriptions.remove(&filter);
            }
            Op::Entry { number, stamp, progress, .. } => {
                self.entries.insert(number, (stamp, progress));
            }
            Op::EndEntry { number, .. } => {
                self.entries.remove(&number);
            }
            Op::Unreleased { packet_id, .. } => {
                self.unreleased.insert(packet_id);
            }
            Op::Released { packet_id, .. } => {
                self.unreleased.remove(&packet_id);
            }
            _ => {}
        }
    }

    /// Entries that wait, in memory or on disk only.
    pub fn queued(&self) -> Vec<(u64, u64)> {
        let waits = |progress| matches!(progress, Progress::Queued | Progress::Spilled);
        let entries = self.entries.iter().filter(|(_, (_, progress))| waits(*progress));
        entries.map(|(number, (stamp, _))| (*number, *stamp)).collect()
    }

    /// Those that are on disk only.
    pub fn spilled(&self) -> Vec<(u64, u64)> {
        let entries = self.entries.iter().filter(|(_, (_, progress))| *progress == Progress::Spilled);
        entries.map(|(number, (stamp, _))| (*number, *stamp)).collect()
    }

    /// What a recovery brings back of the queue; the others are on disk only from then on.
    pub fn spill(&mut self, queue_memory_max: usize) {
        let fit = fitting(&self.queued(), queue_memory_max);
        for (place, (number, _)) in self.queued().into_iter().enumerate() {
            let progress = if place < fit { Progress::Queued } else { Progress::Spilled };
            self.note_progress(number, progress);
        }
    }

    pub fn note_progress(&mut self, number: u64, progress: Progress) {
        if let Some((_, known)) = self.entries.get_mut(&number) {
            *known = progress;
        }
    }
}

/// Sections of tickets that are not complete, and what waits behind them.
#[derive(Clone, Debug, Default)]
pub struct Tickets {
    list: Vec<Ticket>,
    /// Counts what is added.
    clock: u64,
}

#[derive(Clone, Debug, Default)]
struct Ticket {
    number: u64,
    awaited: Option<u32>,
    arrived: u32,
    /// The session whose QoS 2 publish it is, and when that was said.
    publisher: Option<(u64, u64)>,
    ops: Vec<Op>,
    /// Of its sections, not of what waits behind them; when each was added.
    added: Vec<(Fact, u64)>,
    /// Batches, by shard, with operations that wait behind it.
    late: Vec<(u8, u64)>,
}

type Fact = (u8, u64, u64);

impl Tickets {
    /// A section of a shard's batch. Returns the tickets that are complete now.
    pub fn take(&mut self, batch: (u8, u64), ticket: u64, awaited: u32, ops: &[Op], facts: &mut Facts) -> Vec<u64> {
        if ticket == 0 {
            ops.iter().for_each(|op| self.apply(*op, facts, &[batch], &[]));
            return Vec::new();
        }
        let at = self.list.iter().position(|held| held.number == ticket).unwrap_or(self.list.len());
        if at == self.list.len() {
            self.list.push(Ticket { number: ticket, ..Ticket::default() });
        }
        let held = &mut self.list[at];
        held.arrived += 1;
        held.awaited = if awaited > 0 { Some(awaited) } else { held.awaited };
        held.ops.extend(ops);
        for fact in ops.iter().filter_map(|op| added(*op)) {
            self.clock += 1;
            held.added.push((fact, self.clock));
        }
        for op in ops {
            if let Op::Unreleased { session, .. } = op {
                self.clock += 1;
                held.publisher = Some((*session, self.clock));
            }
        }
        let mut done = Vec::new();
        while let Some(at) = (0..self.list.len()).find(|at| self.is_complete(&self.list[*at])) {
            done.push(self.list[at].number);
            self.complete(at, facts);
        }
        done
    }

    /// All sections have come, and all of the publisher's QoS 2 publishes before it are complete.
    fn is_complete(&self, ticket: &Ticket) -> bool {
        let is_before = |other: &Ticket| match (other.publisher, ticket.publisher) {
            (Some((other, before)), Some((own, at))) => other == own && before < at,
            _ => false,
        };
        ticket.awaited.is_some_and(|awaited| ticket.arrived > awaited) && !self.list.iter().any(is_before)
    }

    fn complete(&mut self, at: usize, facts: &mut Facts) {
        let held = self.list.remove(at);
        held.ops.into_iter().for_each(|op| self.apply(op, facts, &held.late, &held.added));
    }

    pub fn has_session(&self, id: u64) -> bool {
        self.list
            .iter()
            .flat_map(|ticket| &ticket.ops)
            .any(|op| matches!(op, Op::Entry { session, .. } | Op::EndEntry { session, .. } if *session == id))
    }

    /// Whether an operation of one of the batches up to this one waits.
    pub fn is_late(&self, shard: u8, batch: u64) -> bool {
        self.list.iter().flat_map(|ticket| &ticket.late).any(|(of, late)| *of == shard && *late <= batch)
    }

    /// Applies an operation, of batches that are `late` if it waits, and of a ticket that has added `own`: it waits behind the last ticket
    /// that has added its fact before.
    fn apply(&mut self, op: Op, facts: &mut Facts, late: &[(u8, u64)], own: &[(Fact, u64)]) {
        let about = match op {
            Op::EndEntry { session, number } => Some((0, session, number)),
            Op::Released { session, packet_id } => Some((1, session, packet_id.into())),
            Op::Forget { stamp } => Some((2, stamp, 0)),
            Op::EndSession { id } => Some((3, id, 0)),
            op => added(op),
        };
        let first_added =
            |added: &[(Fact, u64)]| added.iter().filter(|(fact, _)| Some(*fact) == about).map(|(_, when)| *when).min();
        let before = first_added(own).unwrap_or(u64::MAX);
        let earlier = |ticket: &&mut Ticket| first_added(&ticket.added).is_some_and(|when| when < before);
        let holder = self.list.iter_mut().filter(earlier).max_by_key(|ticket| first_added(&ticket.added));
        match holder {
            Some(ticket) => {
                ticket.ops.push(op);
                ticket.late.extend(late);
            }
            None => facts.apply(op),
        }
    }
}

fn added(op: Op) -> Option<Fact> {
    match op {
        Op::Entry { session, number, .. } => Some((0, session, number)),
        Op::Unreleased { session, packet_id } => Some((1, session, packet_id.into())),
        Op::Retain { stamp } => Some((2, stamp, 0)),
        Op::Session { id, .. } => Some((3, id, 0)),
        _ => None,
    }
}

/// What differs between what was recovered and what must hold; what was spilled is only counted.
pub fn difference(recovered: &Recovered, facts: &Facts, queue_memory_max: usize) -> Option<String> {
    let ids: Vec<u64> = recovered.sessions.iter().map(|session| session.id).collect();
    let expected: Vec<u64> = facts.sessions.keys().copied().collect();
    if ids != expected {
        return Some(format!("sessions {ids:x?}, expected {expected:x?}"));
    }
    let mut retained: Vec<u64> = recovered.retained.iter().map(|message| message.stamp).collect();
    retained.sort();
    if !retained.iter().eq(facts.retained.iter()) {
        return Some(format!("retained {retained:x?}, expected {:x?}", facts.retained));
    }
    if let Some(wrong) = recovered.retained.iter().find(|found| !op::same_message(found, &op::message(found.stamp))) {
        return Some(format!("retained message {wrong:?}"));
    }
    recovered.sessions.iter().find_map(|session| {
        let wrong = session_difference(session, &facts.sessions[&session.id], queue_memory_max)?;
        Some(format!("session {:x}: {wrong}", session.id))
    })
}

fn session_difference(found: &RecoveredSession, expected: &Session, queue_memory_max: usize) -> Option<String> {
    let record = format!("{:?}", op::record(found.id, expected.version));
    if format!("{:?}", found.record) != record {
        return Some(format!("record {:?}, expected {record}", found.record));
    }
    let mut subscriptions: Vec<_> = expected
        .subscriptions
        .iter()
        .map(|(filter, version)| (op::filter_text(*filter), op::subscription(*version)))
        .collect();
    subscriptions.sort_by(|(a, _), (b, _)| a.cmp(b));
    if found.subscriptions != subscriptions {
        return Some(format!("subscriptions {:?}, expected {subscriptions:?}", found.subscriptions));
    }
    if !found.unreleased.iter().eq(expected.unreleased.iter()) {
        return Some(format!("unreleased {:?}, expected {:?}", found.unreleased, expected.unreleased));
    }
    let mut in_flight: Vec<_> = expected
        .entries
        .iter()
        .filter_map(|(number, (stamp, progress))| match progress {
            Progress::Queued | Progress::Spilled => None,
            Progress::InFlight { sequence } => Some((*sequence, op::entry(*number, *stamp, *progress), true)),
            Progress::Received { sequence } => Some((*sequence, op::entry(*number, *stamp, *progress), false)),
        })
        .collect();
    in_flight.sort_by_key(|(sequence, ..)| *sequence);
    let same = found
        .in_flight
        .iter()
        .map(|(entry, message)| (entry, message.is_some()))
        .eq(in_flight.iter().map(|(_, entry, has_message)| (entry, *has_message)));
    if !same {
        return Some(format!("in flight {:?}, expected {in_flight:?}", found.in_flight));
    }
    let queued = expected.queued();
    let fit = fitting(&queued, queue_memory_max);
    let kept: Vec<_> =
        queued[..fit].iter().map(|(number, stamp)| op::entry(*number, *stamp, Progress::Queued)).collect();
    let spilled: usize = queued[fit..].iter().map(|(_, stamp)| op::message(*stamp).size()).sum();
    if !found.queue.iter().map(|(entry, _)| entry).eq(kept.iter()) {
        return Some(format!("queue {:?}, expected {kept:?}", found.queue));
    }
    if (found.spilled, found.spilled_bytes) != ((queued.len() - fit) as u64, spilled as u64) {
        return Some(format!("spilled {} in {} bytes, expected {spilled} bytes", found.spilled, found.spilled_bytes));
    }
    let messages = found.queue.iter().map(|(entry, message)| (entry.stamp, message));
    let sent = found.in_flight.iter().filter_map(|(entry, message)| Some((entry.stamp, message.as_ref()?)));
    let mut messages = messages.chain(sent);
    let wrong = messages.find(|(stamp, message)| !op::same_message(message, &op::message(*stamp)))?;
    Some(format!("message {wrong:?}"))
}

/// How many of the first waiting entries fit into so many bytes.
fn fitting(queued: &[(u64, u64)], bytes_max: usize) -> usize {
    let mut memory = 0;
    let sizes = queued.iter().map(|(_, stamp)| op::message(*stamp).size());
    let fit = sizes.take_while(|size| {
        memory += size;
        memory <= bytes_max
    });
    fit.count()
}
