//! Batches on their way from the shards to the storage thread, and how much of them waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::broker::{Batch, StoreOp};
use crate::limits;
use crate::routing::ShardIndex;

/// A batch, its shard, and what it counts for.
#[derive(Debug)]
pub struct Handed {
    pub shard: ShardIndex,
    pub batch: Batch,
    pub weight: usize,
}

/// Bytes, about, that shards have handed over and that are not written. It counts what is in the channel and what the
/// store has taken from it: memory is in use for both.
#[derive(Debug, Default)]
pub struct Backlog {
    bytes: AtomicUsize,
}

impl Backlog {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn written(&self, weight: usize) {
        self.bytes.fetch_sub(weight, Ordering::Relaxed);
    }

    fn add(&self, weight: usize) {
        self.bytes.fetch_add(weight, Ordering::Relaxed);
    }
}

/// A shard's end of the channel. The storage thread ends when the last of them is dropped.
#[derive(Debug)]
pub struct BatchSender {
    shard: ShardIndex,
    sender: Sender<Handed>,
    backlog: Arc<Backlog>,
    is_congested: bool,
}

/// The channel for so many shards.
pub fn channel(shards: usize) -> (Vec<BatchSender>, Receiver<Handed>, Arc<Backlog>) {
    let (sender, receiver) = unbounded();
    let backlog = Arc::new(Backlog::default());
    let senders = (0..shards).map(|shard| BatchSender {
        shard: ShardIndex(shard as u8),
        sender: sender.clone(),
        backlog: backlog.clone(),
        is_congested: false,
    });
    (senders.collect(), receiver, backlog)
}

impl BatchSender {
    /// Hands a batch over; never waits. Returns whether too much waits now that did not before.
    pub fn send(&mut self, batch: Batch) -> bool {
        let weight = weight(&batch);
        self.backlog.add(weight);
        // It fails only when the storage thread has failed, and then the server is about to stop.
        let _ = self.sender.send(Handed { shard: self.shard, batch, weight });
        let was_congested = self.is_congested;
        self.is_congested |= self.backlog.bytes() > limits::STORE_BACKLOG_MAX;
        self.is_congested && !was_congested
    }

    /// Whether it has not drained below half of the mark since it was too much.
    #[inline]
    pub fn is_congested(&mut self) -> bool {
        if self.is_congested && self.backlog.bytes() <= limits::STORE_BACKLOG_MAX / 2 {
            self.is_congested = false;
        }
        self.is_congested
    }
}

fn weight(batch: &Batch) -> usize {
    let of_op = |op: &StoreOp| match op {
        StoreOp::Message(message) => limits::STORE_FACT_WEIGHT + message.size(),
        _ => limits::STORE_FACT_WEIGHT,
    };
    let sections = batch.sections.iter().map(|section| section.ops.iter().map(of_op).sum::<usize>());
    limits::STORE_FACT_WEIGHT * (1 + batch.reads.len()) + sections.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Message;
    use crate::broker::batch::Section;
    use crate::codec::Qos;

    fn batch(payload: usize) -> Batch {
        let message = Message::new("t", &[], &vec![0; payload], Qos::AtLeastOnce, false);
        let section = Section { ops: vec![StoreOp::Message(message)], ..Section::default() };
        Batch { number: 1, sections: vec![section], reads: Vec::new() }
    }

    #[test]
    fn too_much_waits_until_half_is_written() {
        let (mut senders, receiver, backlog) = channel(2);
        assert!(!senders[0].send(batch(10)));
        assert!(!senders[0].is_congested());
        assert!(senders[1].send(batch(limits::STORE_BACKLOG_MAX)));
        assert!(!senders[1].send(batch(10)), "said once");
        assert!(!senders[0].is_congested(), "it has not sent since");
        assert!(senders[1].is_congested());
        for handed in receiver.try_iter() {
            backlog.written(handed.weight);
        }
        assert!(!senders[1].is_congested());
        assert_eq!(backlog.bytes(), 0);
        drop(senders);
        assert!(receiver.recv().is_err());
    }
}
