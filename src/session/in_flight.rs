//! The window of QoS 1 and 2 messages that were sent and not acknowledged to the end (section 4.4).
//!
//! Packet identifiers are given out in sequence, so a message's place in the window follows from its identifier: an
//! acknowledgement finds its slot without a search, in whatever order acknowledgements come. A settled slot stays as a
//! gap until all before it are settled; the span is bounded by `limits::PACKET_ID_SPAN_MAX`.

use std::collections::VecDeque;

use super::Delivery;
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
    /// Gone once PUBREC has come: the message need not be sent again.
    pub delivery: Option<Delivery>,
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

    /// One more message may be sent; messages that must be sent again come first.
    #[inline]
    pub fn has_room(&self, window: u16) -> bool {
        self.unsent == 0 && self.unsettled < usize::from(window) && self.slots.len() < PACKET_ID_SPAN_MAX
    }

    /// Adds a message that is being sent, and gives it its packet identifier. Only when there is room.
    pub fn push(&mut self, delivery: Delivery, awaits: Awaits) -> u16 {
        let sequence = self.first + self.slots.len() as u64;
        self.slots.push_back(Slot { awaits, delivery: Some(delivery) });
        self.unsettled += 1;
        self.resend = sequence + 1;
        packet_id(sequence)
    }

    /// The unsettled slot of a packet identifier.
    #[inline]
    pub fn get_mut(&mut self, packet_id: u16) -> Option<&mut Slot> {
        let offset = self.offset(packet_id)?;
        self.slots.get_mut(offset).filter(|slot| slot.awaits != Awaits::Nothing)
    }

    /// Ends a slot and gives back its message, if it still had it.
    pub fn settle(&mut self, packet_id: u16) -> Option<Delivery> {
        let offset = self.offset(packet_id)?;
        let slot = self.slots.get_mut(offset).filter(|slot| slot.awaits != Awaits::Nothing)?;
        slot.awaits = Awaits::Nothing;
        let delivery = slot.delivery.take();
        self.unsettled -= 1;
        if self.first + offset as u64 >= self.resend {
            self.unsent -= 1;
        }
        while self.slots.front().is_some_and(|slot| slot.awaits == Awaits::Nothing) {
            self.slots.pop_front();
            self.first += 1;
        }
        self.resend = self.resend.max(self.first);
        delivery
    }

    /// The connection has gone: all that is unsettled must be sent again over the next one.
    pub fn suspend(&mut self) {
        self.resend = self.first;
        self.unsent = self.unsettled;
    }

    /// The next slot to be sent again in its order ([MQTT-4.6.0-1]), within the window of the new connection.
    pub fn next_unsent(&mut self, window: u16) -> Option<(u16, &Slot)> {
        if self.unsent == 0 || self.unsettled - self.unsent >= usize::from(window) {
            return None;
        }
        loop {
            let sequence = self.resend;
            let slot = self.slots.get((sequence - self.first) as usize)?;
            self.resend += 1;
            if slot.awaits != Awaits::Nothing {
                self.unsent -= 1;
                return Some((packet_id(sequence), slot));
            }
        }
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
        Delivery { message, qos: Qos::AtLeastOnce, retain: false, subscription_ids: Default::default(), group: None }
    }

    #[test]
    fn identifiers_come_in_sequence_skip_zero_and_wrap() {
        let mut window = InFlight::default();
        for round in 0..140_000_u64 {
            let id = window.push(delivery(), Awaits::PubAck);
            assert_eq!(u64::from(id), round % 65_535 + 1);
            assert!(window.settle(id).is_some());
            assert!(window.is_empty());
        }
    }

    #[test]
    fn acknowledgements_out_of_order_leave_gaps_that_close() {
        let mut window = InFlight::default();
        let ids: Vec<u16> = (0..5).map(|_| window.push(delivery(), Awaits::PubAck)).collect();
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
        let ids: Vec<u16> = (0..4).map(|_| window.push(delivery(), Awaits::PubAck)).collect();
        window.settle(ids[1]);
        window.suspend();
        assert!(!window.has_room(100), "old messages come first");
        assert_eq!(window.next_unsent(2).map(|(id, _)| id), Some(ids[0]));
        assert_eq!(window.next_unsent(2).map(|(id, _)| id), Some(ids[2]));
        assert!(window.next_unsent(2).is_none(), "the window is full");
        assert!(window.settle(ids[3]).is_some(), "an acknowledgement may come before the message was sent again");
        assert!(window.has_room(3));
        assert!(!window.has_room(2));
    }
}
