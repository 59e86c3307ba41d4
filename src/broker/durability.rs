//! What this shard has for the store, and what waits until the store has it.
//!
//! Operations are collected in one batch a turn. Whoever acknowledges them to a client asks for the [`Gate`] that stands for them, and
//! waits until it is open. Acknowledgements of one shard leave in their order, so a gate that opens early waits for those before it.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::batch::{Batch, Progress, ReadRequest, Section, StoreOp};
use super::{ConnectionId, Gate, Message, Shard};
use crate::codec::ReasonCode;
use crate::codec::encode::AckKind;
use crate::routing::SessionKey;

/// An acknowledgement of a QoS flow that waits.
#[derive(Debug)]
pub(super) struct Answer {
    pub gate: Gate,
    pub connection: ConnectionId,
    pub kind: AckKind,
    pub packet_id: u16,
    pub reason: ReasonCode,
}

/// A shard's side of the store.
#[derive(Debug)]
pub(super) struct Durability {
    batch: Batch,
    /// All batches up to this number are durable.
    durable: u64,
    /// Tickets that this shard gave or answered and that are not complete.
    incomplete: HashSet<u64, FixedState>,
    /// The ticket of the publish under way; 0 is none.
    ticket: u64,
    /// Sections that other shards will send of it, when this shard gave it.
    parts: u32,
    /// It is another shard's, and this shard owes it a section.
    owes_part: bool,
    /// This shard had a part of that ticket before.
    is_known_ticket: bool,
    /// Tickets that turned out to be this shard's alone, and the batches that they are in.
    own_tickets: VecDeque<(u64, u64)>,
    /// Operations kept since the start.
    pub kept: u64,
    /// The store takes new facts.
    pub accepting: bool,
    pub answers: VecDeque<Answer>,
    /// Connections whose output waits until their session is durable.
    pub corked: VecDeque<(Gate, ConnectionId)>,
    /// Sessions with messages in the window that wait, and their generations.
    pub gated: VecDeque<(Gate, SessionKey, u32)>,
    /// Hashes of filters of which the other shards know that a kept session subscribes.
    pub announced: HashSet<u64, FixedState>,
}

impl Default for Durability {
    fn default() -> Self {
        Self {
            batch: Batch { number: 1, ..Batch::default() },
            durable: 0,
            incomplete: HashSet::default(),
            ticket: 0,
            parts: 0,
            owes_part: false,
            is_known_ticket: false,
            own_tickets: VecDeque::new(),
            kept: 0,
            accepting: true,
            answers: VecDeque::new(),
            corked: VecDeque::new(),
            gated: VecDeque::new(),
            announced: HashSet::default(),
        }
    }
}

impl Durability {
    /// Whether all that the gate stands for is durable.
    #[inline]
    pub fn is_open(&self, gate: Gate) -> bool {
        gate == Gate::OPEN
            || match gate.as_ticket() {
                Some(ticket) => !self.incomplete.contains(&ticket),
                None => gate.as_batch() <= self.durable,
            }
    }

    /// The ticket under way is another shard's.
    pub fn is_part(&self) -> bool {
        self.owes_part
    }

    /// The ticket is not complete, as far as this shard knows.
    pub fn is_incomplete(&self, ticket: u64) -> bool {
        ticket != 0 && self.incomplete.contains(&ticket)
    }

    /// The ticket under way; 0 is none.
    pub fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Other shards have been sent the ticket under way.
    pub fn has_parts(&self) -> bool {
        self.ticket != 0 && self.parts > 0
    }

    pub fn note_durable(&mut self, batch: u64, tickets: &[u64]) {
        self.durable = self.durable.max(batch);
        let durable = self.durable;
        for ticket in tickets {
            self.incomplete.remove(ticket);
        }
        while let Some((_, ticket)) = self.own_tickets.pop_front_if(|(batch, _)| *batch <= durable) {
            self.incomplete.remove(&ticket);
        }
    }

    fn section(&mut self) -> &mut Section {
        if self.batch.sections.last().is_none_or(|section| section.ticket != self.ticket) {
            self.batch.sections.push(Section { ticket: self.ticket, ..Section::default() });
        }
        let last = self.batch.sections.len() - 1;
        &mut self.batch.sections[last]
    }
}

impl Shard {
    /// What the store is to do; to be handed over before all else that the shard puts out.
    pub fn poll_store(&mut self) -> Option<Batch> {
        let durability = &mut self.durability;
        if durability.batch.sections.is_empty() && durability.batch.reads.is_empty() {
            return None;
        }
        let next = Batch { number: durability.batch.number + 1, ..Batch::default() };
        Some(std::mem::replace(&mut durability.batch, next))
    }

    pub(super) fn keep(&mut self, op: StoreOp) {
        self.durability.section().ops.push(op);
        self.durability.kept += 1;
    }

    /// Names a message for the operations that follow.
    pub(super) fn keep_message(&mut self, message: &Message) {
        let section = self.durability.section();
        // Of many sessions that get one publish the first names it. Whatever else came between may have ended its last use.
        let is_named = section.ops.last().is_some_and(|op| match op {
            StoreOp::Entry { entry, .. } => {
                entry.stamp == message.stamp && !matches!(entry.progress, Progress::Received { .. })
            }
            _ => false,
        });
        if !is_named {
            self.keep(StoreOp::Message(message.clone()));
        }
    }

    pub(super) fn request_read(&mut self, request: ReadRequest) {
        self.durability.batch.reads.push(request);
    }

    /// Stands for everything that was kept so far, and for the ticket under way.
    pub(super) fn gate(&self) -> Gate {
        if self.settings.acknowledge_unsynced {
            return Gate::OPEN;
        }
        match self.durability.ticket {
            0 => Gate::batch(self.durability.batch.number),
            ticket => Gate::ticket(ticket),
        }
    }

    /// The gate of what was kept since `before`, a former value of `Durability::kept`; open if nothing was.
    pub(super) fn gate_since(&self, before: u64) -> Gate {
        if self.durability.kept == before && !self.durability.has_parts() { Gate::OPEN } else { self.gate() }
    }

    /// What is kept from here to [`end_ticket`](Self::end_ticket) counts together with what other shards keep of it. False if that
    /// is so already, or if there are none.
    pub(super) fn begin_ticket(&mut self) -> bool {
        if !self.settings.persistence || self.shards == 1 || self.durability.ticket != 0 {
            return false;
        }
        let ticket = self.next_stamp();
        self.durability.ticket = ticket;
        self.durability.parts = 0;
        self.durability.incomplete.insert(ticket);
        true
    }

    /// The ticket that goes with a message to a shard that may keep it; 0 if there is none under way.
    pub(super) fn ticket_for_peer(&mut self) -> u64 {
        let durability = &mut self.durability;
        match durability.ticket {
            0 => {}
            _ if durability.owes_part => durability.owes_part = false,
            _ => durability.parts += 1,
        }
        durability.ticket
    }

    /// Ends what `begin_ticket` began. With `follows` it has to wait for an earlier ticket, even if no other shard has a part of it.
    pub(super) fn end_ticket(&mut self, follows: bool) {
        let durability = &mut self.durability;
        let (ticket, parts) = (durability.ticket, durability.parts);
        let is_empty = durability.batch.sections.last().is_none_or(|section| section.ticket != ticket);
        if parts > 0 || (follows && !is_empty) {
            durability.section().awaited = Some(parts);
            durability.kept += 1;
        } else {
            // Nobody else has a part of it, so it is durable with its batch.
            match durability.batch.sections.last_mut().filter(|section| section.ticket == ticket) {
                Some(section) => {
                    section.ticket = 0;
                    durability.own_tickets.push_back((durability.batch.number, ticket));
                }
                None => {
                    durability.incomplete.remove(&ticket);
                }
            }
        }
        durability.ticket = 0;
    }

    /// A message with another shard's ticket is handled now; [`end_part`](Self::end_part) follows.
    pub(super) fn begin_part(&mut self, ticket: u64) {
        if ticket == 0 {
            return;
        }
        let durability = &mut self.durability;
        durability.ticket = ticket;
        durability.owes_part = true;
        durability.is_known_ticket = !durability.incomplete.insert(ticket);
        // A section of its own, also behind another one of this ticket: they are counted.
        durability.batch.sections.push(Section { ticket, ..Section::default() });
    }

    pub(super) fn end_part(&mut self) {
        let durability = &mut self.durability;
        if durability.ticket == 0 {
            return;
        }
        if !durability.owes_part {
            // The message was passed on, and the shard that it was passed on to answers.
            debug_assert!(durability.batch.sections.last().is_some_and(|section| section.ops.is_empty()));
            durability.batch.sections.pop();
            if !durability.is_known_ticket {
                durability.incomplete.remove(&durability.ticket);
            }
        }
        durability.ticket = 0;
        durability.owes_part = false;
    }
}
