//! The window of QoS 1 and 2 messages that were sent and not acknowledged to the end (section 4.4).
//!
//! Packet identifiers are given out in sequence, so a message's place in the window follows from its identifier: an
//! acknowledgement finds its slot without a search, in whatever order acknowledgements come. A settled slot stays as a
//! gap until all before it are settled; the span is bounded by `limits::PACKET_ID_SPAN_MAX`.

use std::collections::VecDeque;

use super::Delivery;
use crate::broker::Gate;
use crate::limits::PACKET_ID_SPAN_MAX;

/// What ends a slot, or brings it a step further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    /// Settled; the slot is a gap.
    Nothing,
    PubAck,
    PubRec,
    PubComp,
}

/// One packet identifier in use.
#[derive(Clone, Debug)]
pub struct Slot {
    pub awaits: Awaits,
    /// It was sent, over this connection or an earlier one.
    pub was_sent: bool,
    pub content: Content,
}

const _: () = assert!(size_of::<Slot>() <= 64);

/// What a packet identifier stands for.
#[derive(Clone, Debug)]
pub enum Content {
    Delivery(Delivery),
    /// PUBREC has come: the message need not be sent again. The number of the store's entry is left, 0 if it is not kept.
    Received(u64),
}

impl Content {
    /// Number of the store's entry; 0 if it is not kept.
    pub fn entry(&self) -> u64 {
        match self {
            Self::Delivery(delivery) => delivery.entry,
            Self::Received(entry) => *entry,
        }
    }

    /// The message, if it may have to be sent.
    pub fn delivery(&self) -> Option<&Delivery> {
        match self {
            Self::Delivery(delivery) => Some(delivery),
            Self::Received(_) => None,
        }
    }
}

/// What is to be sent next.
#[derive(Debug)]
pub struct Unsent<'a> {
    pub packet_id: u16,
    pub slot: &'a Slot,
    /// It was sent before.
    pub again: bool,
}

/// The window, oldest first.
#[derive(Debug, Default)]
pub struct InFlight {
    slots: VecDeque<Slot>,
    /// Sequence number of the front slot.
    first: u64,
    /// Slots that await something.
    unsettled: usize,
    /// Sequence number from which on slots were not yet sent over the present connection.
    resend: u64,
    /// Unsettled slots from `resend` on.
    unsent: usize,
    /// Slots that may not be sent until their gates are open, ascending by sequence. Few, and for the time of a commit.
    gates: VecDeque<(u64, Gate)>,
}

/// Packet identifiers are 1 to 65,535.
const IDENTIFIERS: u64 = 65_535;

impl InFlight {
    /// Messages that await an acknowledgement.
    pub fn len(&self) -> usize {
        self.unsettled
    }

    pub fn is_empty(&self) -> bool {
        self.unsettled == 0
    }

    /// Something in it is still to be sent over the present connection.
    #[inline]
    pub fn has_unsent(&self) -> bool {
        self.unsent > 0
    }

    /// One more message may be taken in.
    #[inline]
    pub fn has_room(&self, window: u16) -> bool {
        self.unsettled < usize::from(window) && self.slots.len() < PACKET_ID_SPAN_MAX
    }

    /// The place in the sequence of packet identifiers that the next message gets.
    #[inline]
    pub fn next_sequence(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Adds a message, and gives it its packet identifier; only when there is room. The packet identifier comes back if it
    /// is to be sent now; if not, it waits behind others until [`next_unsent`](Self::next_unsent) yields it.
    #[inline]
    pub fn push(&mut self, delivery: Delivery, awaits: Awaits) -> Option<u16> {
        let sequence = self.next_sequence();
        let is_sent = self.unsent == 0;
        self.slots.push_back(Slot { awaits, was_sent: is_sent, content: Content::Delivery(delivery) });
        self.unsettled += 1;
        if is_sent {
            self.resend = sequence + 1;
            return Some(packet_id(sequence));
        }
        self.unsent += 1;
        None
    }

    /// Adds a message that may not be sent until its gate is open.
    pub fn push_gated(&mut self, delivery: Delivery, awaits: Awaits, gate: Gate) {
        self.gates.push_back((self.next_sequence(), gate));
        self.slots.push_back(Slot { awaits, was_sent: false, content: Content::Delivery(delivery) });
        self.unsettled += 1;
        self.unsent += 1;
    }

    /// Nothing of this packet identifier may be sent again until the gate is open.
    pub fn set_gate(&mut self, packet_id: u16, gate: Gate) {
        let Some(sequence) = self.sequence_of(packet_id) else { return };
        let at = self.gates.partition_point(|(other, _)| *other < sequence);
        match self.gates.get_mut(at) {
            Some((other, known)) if *other == sequence => *known = gate,
            _ => self.gates.insert(at, (sequence, gate)),
        }
    }

    /// Puts back a slot that was read from the store, all of it unsent; ascending by sequence.
    pub fn restore(&mut self, sequence: u64, slot: Slot) {
        if self.slots.is_empty() {
            self.first = sequence;
            self.resend = sequence;
        }
        while self.next_sequence() < sequence {
            self.slots.push_back(Slot::gap());
        }
        self.slots.push_back(slot);
        self.unsettled += 1;
        self.unsent += 1;
    }

    /// The sequence of a packet identifier that is in the window.
    pub fn sequence_of(&self, packet_id: u16) -> Option<u64> {
        self.offset(packet_id).map(|offset| self.first + offset as u64)
    }

    /// The unsettled slot of a packet identifier.
    #[inline]
    pub fn get_mut(&mut self, packet_id: u16) -> Option<&mut Slot> {
        let offset = self.offset(packet_id)?;
        self.slots.get_mut(offset).filter(|slot| slot.awaits != Awaits::Nothing)
    }

    /// Ends a slot, and gives back what was in it.
    pub fn settle(&mut self, packet_id: u16) -> Option<Content> {
        let offset = self.offset(packet_id)?;
        let slot = self.slots.get_mut(offset).filter(|slot| slot.awaits != Awaits::Nothing)?;
        slot.awaits = Awaits::Nothing;
        let settled = std::mem::replace(&mut slot.content, Content::Received(0));
        self.unsettled -= 1;
        if self.first + offset as u64 >= self.resend {
            self.unsent -= 1;
        }
        while self.slots.front().is_some_and(|slot| slot.awaits == Awaits::Nothing) {
            self.slots.pop_front();
            self.first += 1;
        }
        self.resend = self.resend.max(self.first);
        Some(settled)
    }

    /// The connection has gone: all that is unsettled must be sent again over the next one.
    pub fn suspend(&mut self) {
        self.resend = self.first;
        self.unsent = self.unsettled;
    }

    /// The next slot to be sent (again) in its order ([MQTT-4.6.0-1]), within the window of the connection, if its gate is open.
    pub fn next_unsent(&mut self, window: u16, is_open: impl Fn(Gate) -> bool) -> Option<Unsent<'_>> {
        if self.unsent == 0 || self.unsettled - self.unsent >= usize::from(window) {
            return None;
        }
        let is_gap = |slot: &&Slot| slot.awaits == Awaits::Nothing;
        let from_resend = self.slots.iter().skip((self.resend - self.first) as usize);
        self.resend += from_resend.take_while(is_gap).count() as u64;
        let sequence = self.resend;
        while self.gates.front().is_some_and(|(gated, gate)| *gated < self.first || is_open(*gate)) {
            self.gates.pop_front();
        }
        if self.gates.front().is_some_and(|(gated, _)| *gated <= sequence)
            && self.gates.iter().any(|(gated, gate)| *gated == sequence && !is_open(*gate))
        {
            return None;
        }
        let slot = self.slots.get_mut((sequence - self.first) as usize)?;
        self.resend += 1;
        self.unsent -= 1;
        let again = std::mem::replace(&mut slot.was_sent, true);
        Some(Unsent { packet_id: packet_id(sequence), slot, again })
    }

    /// All unsettled slots, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &Slot)> {
        let first = self.first;
        let with_ids =
            self.slots.iter().enumerate().map(move |(offset, slot)| (packet_id(first + offset as u64), slot));
        with_ids.filter(|(_, slot)| slot.awaits != Awaits::Nothing)
    }

    #[inline]
    fn offset(&self, packet_id: u16) -> Option<usize> {
        let sequence_in_round = u64::from(packet_id).checked_sub(1)?;
        let first_in_round = self.first % IDENTIFIERS;
        let offset = (sequence_in_round + IDENTIFIERS - first_in_round) % IDENTIFIERS;
        (offset < self.slots.len() as u64).then_some(offset as usize)
    }
}

impl Slot {
    fn gap() -> Self {
        Self { awaits: Awaits::Nothing, was_sent: false, content: Content::Received(0) }
    }
}

fn packet_id(sequence: u64) -> u16 {
    (sequence % IDENTIFIERS) as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Message;
    use crate::codec::Qos;

    fn delivery() -> Delivery {
        let message = Message::new("t", &[], b"p", Qos::AtLeastOnce, false).into();
        Delivery {
            message,
            qos: Qos::AtLeastOnce,
            retain: false,
            subscription_ids: Default::default(),
            group: None,
            entry: 0,
        }
    }

    fn push(window: &mut InFlight) -> u16 {
        window.push(delivery(), Awaits::PubAck).expect("nothing is in its way")
    }

    fn next(window: &mut InFlight, size: u16) -> Option<(u16, bool)> {
        window.next_unsent(size, |gate| gate == Gate::OPEN).map(|unsent| (unsent.packet_id, unsent.again))
    }

    #[test]
    fn identifiers_come_in_sequence_skip_zero_and_wrap() {
        let mut window = InFlight::default();
        for round in 0..140_000_u64 {
            let id = push(&mut window);
            assert_eq!(u64::from(id), round % 65_535 + 1);
            assert!(window.settle(id).is_some());
            assert!(window.is_empty());
        }
    }

    #[test]
    fn acknowledgements_out_of_order_leave_gaps_that_close() {
        let mut window = InFlight::default();
        let ids: Vec<u16> = (0..5).map(|_| push(&mut window)).collect();
        for position in [3, 1, 4, 0] {
            assert!(window.settle(ids[position]).is_some());
            assert!(window.settle(ids[position]).is_none(), "a slot settles once");
        }
        assert_eq!(window.iter().map(|(id, _)| id).collect::<Vec<_>>(), [ids[2]]);
        assert!(window.settle(ids[2]).is_some());
        assert!(window.slots.is_empty());
        assert!(window.settle(77).is_none());
    }

    #[test]
    fn after_a_suspension_everything_unsettled_is_sent_again_in_order_within_the_window() {
        let mut window = InFlight::default();
        let ids: Vec<u16> = (0..4).map(|_| push(&mut window)).collect();
        window.settle(ids[1]);
        window.suspend();
        let late = window.push(delivery(), Awaits::PubAck);
        assert!(late.is_none(), "old messages come first");
        assert_eq!(next(&mut window, 2), Some((ids[0], true)));
        assert_eq!(next(&mut window, 2), Some((ids[2], true)));
        assert!(next(&mut window, 2).is_none(), "the window is full");
        assert!(window.settle(ids[3]).is_some(), "an acknowledgement may come before the message was sent again");
        assert!(window.has_room(4));
        assert!(!window.has_room(3));
        assert_eq!(next(&mut window, 3), Some((ids[3] + 1, false)));
    }

    #[test]
    fn what_is_not_durable_waits_and_all_behind_it() {
        let mut window = InFlight::default();
        let gate = Gate::batch(7);
        window.push_gated(delivery(), Awaits::PubRec, gate);
        assert!(window.push(delivery(), Awaits::PubAck).is_none());
        assert!(next(&mut window, 9).is_none());
        let first = window.next_unsent(9, |_| true).map(|unsent| (unsent.packet_id, unsent.again));
        assert_eq!(first, Some((1, false)));
        assert_eq!(next(&mut window, 9), Some((2, false)));
        assert!(next(&mut window, 9).is_none());
    }

    #[test]
    fn a_window_is_restored_with_its_gaps() {
        let mut window = InFlight::default();
        for sequence in [65_534, 65_537] {
            let slot = Slot { awaits: Awaits::PubAck, was_sent: true, content: Content::Delivery(delivery()) };
            window.restore(sequence, slot);
        }
        assert_eq!(window.len(), 2);
        assert_eq!(next(&mut window, 9), Some((65_535, true)));
        assert_eq!(next(&mut window, 9), Some((3, true)));
        assert_eq!(push(&mut window), 4);
        assert_eq!(window.sequence_of(4), Some(65_538));
    }
}
