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
    fn copies_of_messages_that_are_done_change_nothing() {
        let mut stream = stream(2);
        stream.send();
        stream.settle(0);
        stream.settle(0);
        assert!(!stream.settle(0));
        assert!(!stream.settle(9));
    }
}
