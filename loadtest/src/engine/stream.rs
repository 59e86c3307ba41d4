//! One publisher's messages on one topic: what was sent, and which of them are still on their way.

use super::plan::Message;
use crate::ledger::Ledger;
use crate::mqtt::encode::PublishTemplate;
use std::collections::VecDeque;

/// The sender's side of a stream.
#[derive(Debug)]
pub struct Stream {
    pub topic: String,
    pub message: Message,
    pub template: PublishTemplate,
    /// Index of the publisher in its worker.
    pub publisher: usize,
    /// For each share group the arrivals at any of its members.
    pub shares: Vec<Ledger>,
    /// Copies that each message must arrive in.
    copies: u32,
    sent: u64,
    /// Copies to come of each message from `tracked_start` on; unused while each message has one copy.
    remaining: VecDeque<u32>,
    tracked_start: u64,
    /// When the messages from `written_start` on were written to the socket; empty where nobody asks.
    written_ns: VecDeque<u64>,
    written_start: u64,
}

impl Stream {
    /// A stream to so many receivers and share groups.
    pub fn new(
        topic: String,
        message: Message,
        template: PublishTemplate,
        publisher: usize,
        receivers: usize,
        shares: usize,
    ) -> Self {
        Self {
            topic,
            message,
            template,
            publisher,
            shares: (0..shares).map(|_| Ledger::default()).collect(),
            copies: (receivers + shares) as u32,
            sent: 0,
            remaining: VecDeque::new(),
            tracked_start: 0,
            written_ns: VecDeque::new(),
            written_start: 0,
        }
    }

    /// The sequence of the message to be sent now.
    pub fn send(&mut self) -> u64 {
        let sequence = self.sent;
        self.sent += 1;
        if self.copies > 1 {
            self.remaining.push_back(self.copies);
        }
        sequence
    }

    /// Notes when the message that was sent last goes to the socket.
    pub fn note_written(&mut self, now_ns: u64) {
        self.written_ns.push_back(now_ns);
    }

    /// When a message went to the socket, if that was noted; told once, and not of those before it any more.
    pub fn take_written_ns(&mut self, sequence: u64) -> Option<u64> {
        let index = usize::try_from(sequence.checked_sub(self.written_start)?).ok()?;
        let written_ns = *self.written_ns.get(index)?;
        self.written_ns.drain(..=index);
        self.written_start = sequence + 1;
        Some(written_ns)
    }

    /// Whether anybody receives its messages.
    pub fn is_received(&self) -> bool {
        self.copies > 0
    }

    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Settles one copy of a message, arrived or given up, and tells whether it was the last one.
    pub fn settle(&mut self, sequence: u64) -> bool {
        if self.copies <= 1 {
            return true;
        }
        let Some(index) = sequence.checked_sub(self.tracked_start) else { return false };
        let Some(remaining) = self.remaining.get_mut(index as usize) else { return false };
        *remaining = remaining.saturating_sub(1);
        let settled = *remaining == 0;
        while self.remaining.front() == Some(&0) {
            self.remaining.pop_front();
            self.tracked_start += 1;
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::Version;

    fn stream(receivers: usize) -> Stream {
        let message = Message { qos: 0, payload_bytes: 32, retain: false, part: 0 };
        Stream::new("t".into(), message, PublishTemplate::new(Version::V311, "t", 0, false, 32), 0, receivers, 0)
    }

    #[test]
    fn a_message_is_done_with_its_last_copy_in_any_order() {
        let mut stream = stream(2);
        assert_eq!((stream.send(), stream.send()), (0, 1));
        assert!(!stream.settle(1));
        assert!(stream.settle(1));
        assert!(!stream.settle(0));
        assert!(stream.settle(0));
        assert!(stream.remaining.is_empty());
    }

    #[test]
    fn the_time_of_writing_is_told_once_and_survives_a_loss() {
        let mut stream = stream(1);
        (1..=4).for_each(|time| {
            stream.send();
            stream.note_written(time * 10);
        });
        assert_eq!(stream.take_written_ns(0), Some(10));
        assert_eq!(stream.take_written_ns(0), None);
        assert_eq!(stream.take_written_ns(2), Some(30));
        assert_eq!(stream.take_written_ns(1), None);
        assert_eq!((stream.take_written_ns(3), stream.take_written_ns(4)), (Some(40), None));
    }

    #[test]
    fn copies_of_messages_that_are_done_change_nothing() {
        let mut stream = stream(2);
        stream.send();
        stream.settle(0);
        stream.settle(0);
        assert!(!stream.settle(0));
        assert!(!stream.settle(9));
    }
}
