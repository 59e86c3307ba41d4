//! What a shard has for the others, collected over a turn and pushed at its end.
//!
//! Wake-ups dominate the cost of crossing shards, so a mailbox gets one batch of each class in a turn. The core's rule of
//! order is kept by classes: all messages of class 0 are in all mailboxes before the first one of class 1 (see
//! [`PeerMessage::class`]), and for one receiver and class the order is the order of emission.

use crate::broker::PeerMessage;
use crate::limits;
use crate::net::SocketRing;
use crate::routing::{ShardIndex, ShardSet};

use super::mailbox::{Mail, Mailboxes};

const CLASSES: usize = 3;

/// First room of a batch, so that it does not grow in many small steps.
const BATCH_CAPACITY: usize = 16;

#[derive(Debug)]
pub struct Outbox {
    own: ShardIndex,
    high_water: usize,
    /// For each class and receiver.
    batches: [Vec<Batch>; CLASSES],
    /// Receivers with a batch, for each class.
    pending: [ShardSet; CLASSES],
    /// Receivers that got a hand-over and have not been woken for it.
    unannounced: ShardSet,
    /// Receivers whose mailbox was too full at the last push.
    congested: ShardSet,
}

#[derive(Debug, Default)]
struct Batch {
    messages: Vec<PeerMessage>,
    weight: usize,
}

impl Outbox {
    pub fn new(own: ShardIndex, shards: usize, high_water: usize) -> Self {
        Self {
            own,
            high_water,
            batches: std::array::from_fn(|_| (0..shards).map(|_| Batch::default()).collect()),
            pending: [ShardSet::default(); CLASSES],
            unannounced: ShardSet::default(),
            congested: ShardSet::default(),
        }
    }

    #[inline]
    pub fn add(&mut self, to: ShardIndex, message: PeerMessage) {
        let class = message.class();
        let batch = &mut self.batches[class][usize::from(to.0)];
        if batch.messages.is_empty() {
            batch.messages.reserve(BATCH_CAPACITY);
        }
        batch.weight += weight(&message);
        batch.messages.push(message);
        self.pending[class].insert(to);
    }

    /// Pushes a connection at once; its receiver is woken with the next flush.
    pub fn hand_over(&mut self, to: ShardIndex, mail: Mail, mailboxes: &Mailboxes) {
        mailboxes.push(usize::from(to.0), mail);
        self.unannounced.insert(to);
    }

    /// Pushes all batches and queues the wake-ups in the ring. Returns whether a mailbox was found too full that was
    /// not before.
    pub fn flush(&mut self, mailboxes: &Mailboxes, ring: &mut SocketRing) -> bool {
        let mut to_wake = std::mem::take(&mut self.unannounced);
        let was_congested = !self.congested.is_empty();
        for class in 0..CLASSES {
            for to in std::mem::take(&mut self.pending[class]).iter() {
                let Batch { messages, weight } = std::mem::take(&mut self.batches[class][usize::from(to.0)]);
                mailboxes.push(usize::from(to.0), Mail::Peer { from: self.own, messages, weight });
                to_wake.insert(to);
                if mailboxes.queued(usize::from(to.0)) > self.high_water {
                    self.congested.insert(to);
                }
            }
        }
        for to in to_wake.iter() {
            let to = usize::from(to.0);
            if mailboxes.needs_wake(to)
                && let Some(handle) = mailboxes.wake_handle(to)
            {
                ring.wake(handle, to as u32);
            }
        }
        !was_congested && !self.congested.is_empty()
    }

    /// Whether some mailbox has not drained below half of the mark since it was too full.
    #[inline]
    pub fn is_congested(&mut self, mailboxes: &Mailboxes) -> bool {
        if self.congested.is_empty() {
            return false;
        }
        for to in self.congested.iter() {
            if mailboxes.queued(usize::from(to.0)) <= self.high_water / 2 {
                self.congested.remove(to);
            }
        }
        !self.congested.is_empty()
    }
}

/// What a message counts for: 1, and once more for each 4 KiB.
#[inline]
fn weight(message: &PeerMessage) -> usize {
    let size = match message {
        PeerMessage::Publish { message, .. }
        | PeerMessage::Retain { message, .. }
        | PeerMessage::PublishShared { message, .. } => message.size(),
        PeerMessage::RetainedBatch { messages, .. } => messages.iter().map(crate::broker::Message::size).sum(),
        _ => 0,
    };
    1 + (size >> limits::MAIL_WEIGHT_SHIFT)
}
