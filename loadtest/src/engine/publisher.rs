//! One publisher: what it may send now, and which of its packet identifiers are in use.

use std::collections::VecDeque;

/// A publisher's state beside its streams.
#[derive(Debug)]
pub struct Publisher {
    /// Index of its connection in the worker.
    pub link: usize,
    /// Its streams, taken in turn.
    streams: std::ops::Range<usize>,
    next_stream: usize,
    /// Messages that have not arrived at all their receivers.
    pub outstanding: usize,
    /// At a fixed rate: when each message that waits to be sent should have been sent.
    pub due_ns: VecDeque<u64>,
    /// Whether it is in its worker's list of those that may be able to send.
    pub is_freed: bool,
    packet_ids: PacketIds,
    receive_maximum: u16,
}

impl Publisher {
    pub fn new(link: usize, streams: std::ops::Range<usize>, receive_maximum: u16) -> Self {
        let next_stream = streams.start;
        let (due_ns, packet_ids) = (VecDeque::new(), PacketIds::default());
        Self { link, streams, next_stream, outstanding: 0, due_ns, is_freed: false, packet_ids, receive_maximum }
    }

    /// The stream of the next message.
    pub fn take_stream(&mut self) -> usize {
        let stream = self.next_stream;
        self.next_stream = if stream + 1 == self.streams.end { self.streams.start } else { stream + 1 };
        stream
    }

    /// What [`Publisher::take_stream`] will return.
    pub fn next_stream(&self) -> usize {
        self.next_stream
    }

    /// Whether the broker's Receive Maximum leaves room for one more QoS 1 or 2 message.
    pub fn has_quota(&self) -> bool {
        self.packet_ids.in_use() < self.receive_maximum
    }

    /// An identifier for a message that is sent now, or should have been sent then.
    pub fn take_packet_id(&mut self, qos: u8, sent_ns: u64) -> u16 {
        if qos == 0 { 0 } else { self.packet_ids.take(if qos == 1 { Waits::PubAck } else { Waits::PubRec }, sent_ns) }
    }

    /// When the message with this identifier was sent, or should have been.
    pub fn sent_ns(&self, packet_id: u16) -> Option<u64> {
        self.packet_ids.uses.get((packet_id as usize).checked_sub(1)?).map(|used| used.sent_ns)
    }

    /// Messages whose exchange of acknowledgements is not complete.
    pub fn unacknowledged(&self) -> u16 {
        self.packet_ids.in_use()
    }

    /// PUBACK came; `false` if nothing waited for it.
    pub fn acknowledged(&mut self, packet_id: u16) -> bool {
        self.packet_ids.step(packet_id, Waits::PubAck, Waits::Nothing)
    }

    /// PUBREC came; `false` if nothing waited for it.
    pub fn received(&mut self, packet_id: u16) -> bool {
        self.packet_ids.step(packet_id, Waits::PubRec, Waits::PubComp)
    }

    /// PUBCOMP came; `false` if nothing waited for it.
    pub fn completed(&mut self, packet_id: u16) -> bool {
        self.packet_ids.step(packet_id, Waits::PubComp, Waits::Nothing)
    }
}

/// What a packet identifier waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Nothing,
    PubAck,
    PubRec,
    PubComp,
}

/// The packet identifiers of one sender. The one freed last is used next: few stay in the caches, and a broker that
/// forgets to free one is found out soon.
#[derive(Debug, Default)]
struct PacketIds {
    /// Each identifier's last use, from identifier 1 on.
    uses: Vec<Use>,
    free: Vec<u16>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    waits: Waits,
    sent_ns: u64,
}

impl PacketIds {
    fn in_use(&self) -> u16 {
        (self.uses.len() - self.free.len()) as u16
    }

    /// A free identifier. There is one, because the Receive Maximum, at most 65,535, is kept.
    fn take(&mut self, waits: Waits, sent_ns: u64) -> u16 {
        let used = Use { waits, sent_ns };
        let packet_id = self.free.pop().unwrap_or_else(|| {
            self.uses.push(used);
            u16::try_from(self.uses.len()).expect("the Receive Maximum is kept")
        });
        self.uses[packet_id as usize - 1] = used;
        packet_id
    }

    fn step(&mut self, packet_id: u16, from: Waits, to: Waits) -> bool {
        match self.uses.get_mut(packet_id as usize - 1) {
            Some(used) if used.waits == from => {
                used.waits = to;
                if to == Waits::Nothing {
                    self.free.push(packet_id);
                }
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_nobody_waits_for_are_told() {
        let mut publisher = Publisher::new(0, 0..1, 10);
        assert!(!publisher.acknowledged(1));
        let packet_id = publisher.take_packet_id(1, 0);
        assert!(!publisher.received(packet_id));
        assert!(publisher.acknowledged(packet_id));
        assert!(!publisher.acknowledged(packet_id));
    }

    #[test]
    fn qos_2_takes_both_steps_before_the_identifier_is_free() {
        let mut publisher = Publisher::new(0, 0..1, 1);
        let packet_id = publisher.take_packet_id(2, 77);
        assert_eq!(publisher.sent_ns(packet_id), Some(77));
        assert!(!publisher.completed(packet_id));
        assert!(publisher.received(packet_id));
        assert!(!publisher.has_quota());
        assert!(publisher.completed(packet_id));
        assert!(publisher.has_quota());
        assert_eq!(publisher.take_packet_id(2, 0), packet_id);
    }

    #[test]
    fn streams_are_taken_in_turn() {
        let mut publisher = Publisher::new(0, 4..7, 1);
        let taken: Vec<usize> = (0..5).map(|_| publisher.take_stream()).collect();
        assert_eq!(taken, [4, 5, 6, 4, 5]);
    }
}
