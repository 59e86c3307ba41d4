//! Publishes that several shards keep, or none.
//!
//! Sections of a ticket wait here, unapplied, until the last has come; then all of them go into one group. A crash before that
//! finds none of them on disk. So the log has no tickets, and facts that such a section would void are not touched before.
//!
//! An operation on a fact that waits here waits behind it: the end of an entry whose ticket is not complete has no effect without
//! that entry. So does a new entry of a message that waits here: one that takes the place of another entry, or a retained message
//! that a new subscription brings, before the publish counts.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::facts::Facts;
use super::index::FactKey;
use crate::broker::batch::{Section, StoreOp};
use crate::limits::STORE_TICKETS_MAX;
use crate::routing::ShardIndex;

pub struct Tickets {
    table: HashMap<u64, Ticket, FixedState>,
    /// Oldest first, with some that are complete already.
    order: VecDeque<u64>,
    /// Facts that waiting sections add.
    facts: HashMap<FactKey, u64, FixedState>,
    /// Operations that wait for each session.
    sessions: HashMap<u64, u32, FixedState>,
}

#[derive(Default)]
struct Ticket {
    /// `None` until the shard that gave the ticket has said it.
    awaited: Option<u32>,
    arrived: u32,
    shards: SmallVec<[ShardIndex; 4]>,
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
        }
    }

    /// Applies a section, or keeps it until its ticket is complete. Tickets whose operations are applied now are appended to `done`,
    /// and those for which the batch must wait to `before`: operations of a section without a ticket wait behind them, or a
    /// session's record, of which a CONNACK speaks, is in theirs.
    pub fn take(
        &mut self,
        shard: ShardIndex,
        section: Section,
        facts: &mut Facts,
        done: &mut Vec<(ShardIndex, u64)>,
        before: &mut Vec<u64>,
    ) {
        for op in &section.ops {
            facts.count(op);
        }
        if section.ticket == 0 {
            let mut stamps = SmallVec::<[u64; 8]>::new();
            for op in section.ops {
                match op {
                    StoreOp::Message(message) => stamps.push(facts.hold(message)),
                    op => before.extend(self.apply(op, facts)),
                }
            }
            stamps.into_iter().for_each(|stamp| facts.release(stamp));
            return;
        }
        facts.count_ticket(section.ticket);
        let Self { table, order, facts: waiting_facts, sessions } = self;
        let ticket = table.entry(section.ticket).or_insert_with(|| {
            order.push_back(section.ticket);
            Ticket::default()
        });
        ticket.arrived += 1;
        if section.awaited > 0 {
            ticket.awaited = Some(section.awaited);
        }
        if !ticket.shards.contains(&shard) {
            ticket.shards.push(shard);
        }
        let first = ticket.ops.len();
        for op in section.ops {
            if let StoreOp::Message(message) = op {
                if facts.index.message(message.stamp).is_none() {
                    waiting_facts.insert(FactKey::Message { stamp: message.stamp }, section.ticket);
                }
                ticket.stamps.push(facts.hold(message));
                continue;
            }
            if let Some((key, true)) = key_of(&op) {
                waiting_facts.entry(key).or_insert(section.ticket);
            }
            if let Some(session) = session_of(&op) {
                *sessions.entry(session).or_default() += 1;
            }
            ticket.ops.push(op);
        }
        let is_about_session = |op: &StoreOp| matches!(op, StoreOp::Session { .. } | StoreOp::EndSession { .. });
        if ticket.is_complete() {
            self.complete(section.ticket, facts, done);
        } else if ticket.ops[first..].iter().any(is_about_session) {
            before.push(section.ticket);
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

    /// Whether operations of the session wait.
    pub fn has_waiting(&self, session: u64) -> bool {
        !self.sessions.is_empty() && self.sessions.contains_key(&session)
    }

    fn complete(&mut self, number: u64, facts: &mut Facts, done: &mut Vec<(ShardIndex, u64)>) {
        let Some(ticket) = self.table.remove(&number) else { return };
        for stamp in &ticket.stamps {
            let key = FactKey::Message { stamp: *stamp };
            if self.facts.get(&key) == Some(&number) {
                self.facts.remove(&key);
            }
        }
        for op in &ticket.ops {
            if let Some((key, true)) = key_of(op)
                && self.facts.get(&key) == Some(&number)
            {
                self.facts.remove(&key);
            }
            if let Some(session) = session_of(op)
                && let Some(count) = self.sessions.get_mut(&session)
            {
                *count -= 1;
                if *count == 0 {
                    self.sessions.remove(&session);
                }
            }
        }
        for op in ticket.ops {
            self.apply(op, facts);
        }
        ticket.stamps.into_iter().for_each(|stamp| facts.release(stamp));
        done.extend(ticket.shards.into_iter().map(|shard| (shard, number)));
    }

    /// Applies an operation, unless its fact waits: then it waits behind it, and the ticket is returned.
    fn apply(&mut self, op: StoreOp, facts: &mut Facts) -> Option<u64> {
        if !self.facts.is_empty()
            && let Some(number) = self.ticket_before(&op, facts)
            && let Some(ticket) = self.table.get_mut(&number)
        {
            if let Some((key, true)) = key_of(&op) {
                self.facts.entry(key).or_insert(number);
            }
            if let Some(session) = session_of(&op) {
                *self.sessions.entry(session).or_default() += 1;
            }
            ticket.ops.push(op);
            return Some(number);
        }
        facts.apply(op);
        None
    }

    /// The ticket behind which an operation waits.
    fn ticket_before(&self, op: &StoreOp, facts: &Facts) -> Option<u64> {
        let (key, _) = key_of(op)?;
        let behind_fact = self.facts.get(&key).copied();
        match op {
            StoreOp::Entry { session, entry } if behind_fact.is_none() && !has_entry(facts, *session, entry.number) => {
                self.facts.get(&FactKey::Message { stamp: entry.stamp }).copied()
            }
            _ => behind_fact,
        }
    }
}

fn has_entry(facts: &Facts, session: u64, number: u64) -> bool {
    facts.index.session(session).is_some_and(|slot| slot.find_entry(number).is_ok())
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
