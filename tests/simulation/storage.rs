//! The storage thread in a run: one store behind all shards, what is on its way to it, and its disk.

use std::collections::VecDeque;

use ringmq::broker::{Batch, Millis, Report};
use ringmq::routing::ShardIndex;
use ringmq::store::{Stats, Store, StoreError};

use crate::fake_disk::FakeDisk;
use crate::random::Random;

/// Pieces that are cleaned at once when all is to be done.
const PIECES_MAX: usize = 50;

pub struct Storage {
    pub store: Store<FakeDisk>,
    /// Batches that the shards have pushed, in this order.
    pub queue: VecDeque<(usize, Batch)>,
    cleans: bool,
}

impl Storage {
    pub fn new(store: Store<FakeDisk>, cleans: bool) -> Self {
        Self { store, queue: VecDeque::new(), cleans }
    }

    /// Takes some of what waits, all of it if `all`.
    pub fn take(&mut self, random: &mut Random, all: bool) -> usize {
        let length = self.queue.len();
        let count = if all || random.chance(40) { length } else { random.below(length + 1) };
        for (shard, batch) in self.queue.drain(..count) {
            self.store.take(ShardIndex(shard as u8), batch);
        }
        count
    }

    /// Writes what was taken, and cleans a little; everything if `all`.
    pub fn write(&mut self, random: &mut Random, all: bool, now: Millis) -> Result<(), StoreError> {
        let pieces = if all { PIECES_MAX } else { usize::from(random.chance(30)) };
        for _ in 0..if self.cleans { pieces } else { 0 } {
            if !self.store.clean(now)? {
                break;
            }
            self.store.commit(now)?;
        }
        self.store.commit(now)?;
        if all || random.chance(10) {
            self.store.sync()?;
        }
        Ok(())
    }

    pub fn reports(&mut self) -> Vec<(usize, Report)> {
        let reports = std::iter::from_fn(|| self.store.poll_report());
        reports.map(|(shard, report)| (usize::from(shard.0), report)).collect()
    }

    /// Nothing is left to be written.
    pub fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.store.pending_bytes() == 0
    }

    pub fn stats(&self) -> Stats {
        self.store.stats()
    }
}
