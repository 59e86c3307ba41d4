//! Publishes that several shards keep, or none.
//!
//! Sections of a ticket wait here, unapplied, until the last has come; then all of them go into one group. A crash before that
//! finds none of them on disk. So the log has no tickets, and facts that such a section would void are not touched before.
//!
//! An operation on a fact that waits here waits behind it: the end of an entry whose ticket is not complete has no effect without
//! that entry. So does a new entry of a message that waits here: one that takes the place of another entry, or a retained message
//! that a new subscription brings, before the publish counts. QoS 2 publishes of one session count in their order. The batch of such an operation is not durable before.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::facts::Facts;
use super::index::FactKey;
use crate::broker::batch::{Section, StoreOp};
use crate::limits::STORE_TICKETS_MAX;
use crate::routing::ShardIndex;

type WaitingFacts = HashMap<FactKey, SmallVec<[u64; 1]>, FixedState>;

pub struct Tickets {
    table: HashMap<u64, Ticket, FixedState>,
    /// Oldest first, with some that are complete already.
    order: VecDeque<u64>,
    /// Facts that waiting sections add, with their tickets, in the order in which these came.
    facts: WaitingFacts,
    /// Operations that wait for each session.
    sessions: HashMap<u64, u32, FixedState>,
    /// For each session, the tickets of its QoS 2 publishes in their order.
    publishers: HashMap<u64, VecDeque<u64>, FixedState>,
    /// Batches of which an operation waits behind a ticket that is not its own.
    late: Vec<Late>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Late {
    shard: ShardIndex,
    batch: u64,
    ticket: u64,
}

#[derive(Default)]
struct Ticket {
    /// `None` until the shard that gave the ticket has said it.
    awaited: Option<u32>,
    arrived: u32,
    shards: SmallVec<[ShardIndex; 4]>,
    /// The session whose QoS 2 publish it is.
    publisher: Option<u64>,
    ops: Vec<StoreOp>,
    /// Messages that these operations may name.
    stamps: SmallVec<[u64; 2]>,
}

impl Ticket {
    fn is_complete(&self) -> bool {
        self.awaited.is_some_and(|awaited| self.arrived > awaited)
    }
}

impl Tickets {
    pub fn new(hash_seed: u64) -> Self {
        let hash = || FixedState::with_seed(hash_seed);
        Self {
            table: HashMap::with_hasher(hash()),
            order: VecDeque::new(),
            facts: HashMap::with_hasher(hash()),
            sessions: HashMap::with_hasher(hash()),
            publishers: HashMap::with_hasher(hash()),
            late: Vec::new(),
        }
    }

    /// Applies a section of a shard's batch, or keeps it until its ticket is complete. Tickets whose operations are applied now are
    /// appended to `done`.
    pub fn take(
        &mut self,
        (shard, batch): (ShardIndex, u64),
        section: Section,
        facts: &mut Facts,
        done: &mut Vec<(ShardIndex, u64)>,
    ) {
        for op in &section.ops {
            facts.count(op);
        }
        if section.ticket == 0 {
            let mut stamps = SmallVec::<[u64; 8]>::new();
            for op in section.ops {
                match op {
                    StoreOp::Message(message) => stamps.push(facts.hold(message)),
                    op => {
                        if let Some(ticket) = self.apply(op, facts) {
                            self.note_late(Late { shard, batch, ticket });
                        }
                    }
                }
            }
            stamps.into_iter().for_each(|stamp| facts.release(stamp));
            return;
        }
        facts.count_ticket(section.ticket);
        let Self { table, order, facts: waiting_facts, sessions, publishers, .. } = self;
        let ticket = table.entry(section.ticket).or_insert_with(|| {
            order.push_back(section.ticket);
            Ticket::default()
        });
        ticket.arrived += 1;
        ticket.awaited = section.awaited.or(ticket.awaited);
        if !ticket.shards.contains(&shard) {
            ticket.shards.push(shard);
        }
        let mut is_about_session = false;
        for op in section.ops {
            is_about_session |= matches!(op, StoreOp::Session { .. } | StoreOp::EndSession { .. });
            if let StoreOp::Unreleased { session, .. } = op {
                ticket.publisher = Some(session);
                publishers.entry(session).or_default().push_back(section.ticket);
            }
            if let StoreOp::Message(message) = op {
                if facts.index.message(message.stamp).is_none() {
                    note_waiting(waiting_facts, FactKey::Message { stamp: message.stamp }, section.ticket);
                }
                ticket.stamps.push(facts.hold(message));
                continue;
            }
            if let Some((key, true)) = key_of(&op) {
                note_waiting(waiting_facts, key, section.ticket);
            }
            if let Some(session) = session_of(&op) {
                *sessions.entry(session).or_default() += 1;
            }
            ticket.ops.push(op);
        }
        self.complete_in_turn(section.ticket, facts, done);
        if is_about_session && self.table.contains_key(&section.ticket) {
            // A CONNACK may speak of it, that waits for the batch.
            self.note_late(Late { shard, batch, ticket: section.ticket });
        }
        while self.table.len() > STORE_TICKETS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.complete(oldest, facts, done);
        }
        while self.order.front().is_some_and(|ticket| !self.table.contains_key(ticket)) {
            self.order.pop_front();
        }
    }

    /// How many are not complete.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The first batch of a shard that is not durable yet even if all that is applied is.
    pub fn first_late(&self, shard: ShardIndex) -> Option<u64> {
        self.late.iter().filter(|late| late.shard == shard).map(|late| late.batch).min()
    }

    /// Whether operations of the session wait.
    pub fn has_waiting(&self, session: u64) -> bool {
        !self.sessions.is_empty() && self.sessions.contains_key(&session)
    }

    /// Completes a ticket of which all sections are here, unless its publisher's QoS 2 publish before it is not; then those that
    /// waited for it.
    fn complete_in_turn(&mut self, number: u64, facts: &mut Facts, done: &mut Vec<(ShardIndex, u64)>) {
        let mut next = Some(number);
        while let Some(number) = next.take()
            && let Some(ticket) = self.table.get(&number).filter(|ticket| ticket.is_complete())
        {
            let publisher = ticket.publisher;
            let first = publisher.and_then(|publisher| self.publishers.get(&publisher)?.front());
            if first.is_some_and(|first| *first != number) {
                return;
            }
            self.complete(number, facts, done);
            next = publisher.and_then(|publisher| self.publishers.get(&publisher)?.front().copied());
        }
    }

    fn complete(&mut self, number: u64, facts: &mut Facts, done: &mut Vec<(ShardIndex, u64)>) {
        let Some(ticket) = self.table.remove(&number) else { return };
        if let Some(publisher) = ticket.publisher
            && let Some(publishes) = self.publishers.get_mut(&publisher)
        {
            publishes.retain(|publish| *publish != number);
            if publishes.is_empty() {
                self.publishers.remove(&publisher);
            }
        }
        let messages = ticket.stamps.iter().map(|stamp| FactKey::Message { stamp: *stamp });
        let mut keys: SmallVec<[FactKey; 4]> = messages.collect();
        let mut behind = None;
        for op in ticket.ops {
            if let Some(session) = session_of(&op)
                && let Some(count) = self.sessions.get_mut(&session)
            {
                *count -= 1;
                if *count == 0 {
                    self.sessions.remove(&session);
                }
            }
            keys.extend(key_of(&op).map(|(key, _)| key));
            match self.ticket_before(&op, Some(number)) {
                Some(before) => {
                    self.wait_behind(before, op);
                    behind = Some(before);
                }
                None => facts.apply(op),
            }
        }
        for key in keys {
            if let Some(tickets) = self.facts.get_mut(&key) {
                tickets.retain(|ticket| *ticket != number);
                if tickets.is_empty() {
                    self.facts.remove(&key);
                }
            }
        }
        match behind {
            // They go on waiting, behind another ticket.
            Some(ticket) => {
                self.late.iter_mut().filter(|late| late.ticket == number).for_each(|late| late.ticket = ticket)
            }
            None => self.late.retain(|late| late.ticket != number),
        }
        ticket.stamps.into_iter().for_each(|stamp| facts.release(stamp));
        done.extend(ticket.shards.into_iter().map(|shard| (shard, number)));
    }

    /// Applies an operation without a ticket, unless its fact waits, or the message of a new entry: then it waits behind the last
    /// ticket that has it, which is returned.
    fn apply(&mut self, op: StoreOp, facts: &mut Facts) -> Option<u64> {
        let mut before = None;
        if !self.facts.is_empty() {
            before = self.ticket_before(&op, None);
            if let (None, StoreOp::Entry { session, entry }) = (before, &op)
                && facts.index.session(*session).is_some_and(|slot| slot.find_entry(entry.number).is_err())
            {
                let message = FactKey::Message { stamp: entry.stamp };
                before = self.facts.get(&message).and_then(|tickets| tickets.last().copied());
            }
        }
        match before {
            Some(number) => self.wait_behind(number, op),
            None => facts.apply(op),
        }
        before
    }

    /// The ticket behind which an operation waits: the one before its own among those that have its fact.
    fn ticket_before(&self, op: &StoreOp, own: Option<u64>) -> Option<u64> {
        let tickets = self.facts.get(&key_of(op)?.0)?;
        match tickets.iter().position(|ticket| Some(*ticket) == own) {
            Some(place) => tickets[..place].last().copied(),
            None => tickets.last().copied(),
        }
    }

    fn wait_behind(&mut self, number: u64, op: StoreOp) {
        let Some(ticket) = self.table.get_mut(&number) else { return };
        if let Some((key, true)) = key_of(&op) {
            note_waiting(&mut self.facts, key, number);
        }
        if let Some(session) = session_of(&op) {
            *self.sessions.entry(session).or_default() += 1;
        }
        ticket.ops.push(op);
    }

    fn note_late(&mut self, late: Late) {
        if self.late.last() != Some(&late) {
            self.late.push(late);
        }
    }
}

fn note_waiting(facts: &mut WaitingFacts, key: FactKey, ticket: u64) {
    let tickets = facts.entry(key).or_default();
    if !tickets.contains(&ticket) {
        tickets.push(ticket);
    }
}

/// The fact that an operation is about, and whether it adds it. Of subscriptions no publish speaks; a will does of its session.
fn key_of(op: &StoreOp) -> Option<(FactKey, bool)> {
    Some(match op {
        StoreOp::Session { id, .. } => (FactKey::Session { id: *id }, true),
        StoreOp::EndSession { id } => (FactKey::Session { id: *id }, false),
        StoreOp::Entry { session, entry } => (FactKey::Entry { session: *session, number: entry.number }, true),
        StoreOp::EndEntry { session, number } => (FactKey::Entry { session: *session, number: *number }, false),
        StoreOp::Unreleased { session, packet_id } => {
            (FactKey::Unreleased { session: *session, packet_id: *packet_id }, true)
        }
        StoreOp::Released { session, packet_id } => {
            (FactKey::Unreleased { session: *session, packet_id: *packet_id }, false)
        }
        StoreOp::Retain { stamp } => (FactKey::Retained { stamp: *stamp }, true),
        StoreOp::Forget { stamp } => (FactKey::Retained { stamp: *stamp }, false),
        _ => return None,
    })
}

fn session_of(op: &StoreOp) -> Option<u64> {
    match op {
        StoreOp::Entry { session, .. } | StoreOp::EndEntry { session, .. } => Some(*session),
        _ => None,
    }
}
