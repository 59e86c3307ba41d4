//! A store on a disk in memory, driven step by step.

use ringmq::broker::batch::{Progress, ReadRequest, Section};
use ringmq::broker::{Batch, Loaded, Message, Recovered, Report, StoreOp};
use ringmq::routing::{SessionKey, ShardIndex};
use ringmq::store::{Acknowledge, Findings, OpenError, Opened, Stats, Store, StoreConfig, StoreError};

use crate::fake_disk::FakeDisk;
use crate::op::{self, Op};

pub const SESSION: u64 = 1;
pub const WALL_AT_ZERO_MS: u64 = 1_700_000_000_000;

pub struct Rig {
    pub disk: FakeDisk,
    pub store: Store<FakeDisk>,
    pub recovered: Recovered,
    pub findings: Findings,
    pub config: StoreConfig,
    batches: [u64; 2],
    pub now: u64,
}

pub fn config() -> StoreConfig {
    StoreConfig {
        shards: 2,
        acknowledge: Acknowledge::Synced,
        segment_size: 4_096,
        size_max: 1 << 30,
        queue_memory_max: 1 << 20,
        hash_seed: 99,
        wall_at_zero_ms: WALL_AT_ZERO_MS,
    }
}

pub fn try_open(disk: &FakeDisk, config: &StoreConfig) -> Result<Opened<FakeDisk>, OpenError> {
    Store::open(disk.clone(), config.clone(), &mut |_| {})
}

impl Rig {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: StoreConfig) -> Self {
        Self::open(FakeDisk::new(), config)
    }

    pub fn open(disk: FakeDisk, config: StoreConfig) -> Self {
        let opened = try_open(&disk, &config).unwrap_or_else(|error| panic!("{error}"));
        let Opened { store, recovered, findings } = opened;
        Self { disk, store, recovered, findings, config, batches: [0; 2], now: 0 }
    }

    /// The machine goes down, and of what was not synced nothing is left.
    pub fn crash(self) -> Self {
        let Self { disk, config, store, .. } = self;
        drop(store);
        disk.crash(&mut || 0);
        Self::open(disk, config)
    }

    pub fn take(&mut self, ops: &[Op]) {
        self.take_section(0, 0, 0, ops);
    }

    pub fn take_section(&mut self, shard: u8, ticket: u64, awaited: u32, ops: &[Op]) {
        let ops: Vec<StoreOp> = ops.iter().map(|op| op.to_store()).collect();
        let awaited = (awaited > 0).then_some(awaited);
        self.take_ops(shard, Section { ticket, awaited, ops });
    }

    pub fn take_ops(&mut self, shard: u8, section: Section) {
        let number = self.next_batch(shard);
        self.store.take(ShardIndex(shard), Batch { number, sections: vec![section], reads: Vec::new() });
    }

    pub fn take_read(&mut self, request: ReadRequest) {
        let number = self.next_batch(0);
        self.store.take(ShardIndex(0), Batch { number, sections: Vec::new(), reads: vec![request] });
    }

    fn next_batch(&mut self, shard: u8) -> u64 {
        self.batches[usize::from(shard)] += 1;
        self.batches[usize::from(shard)]
    }

    pub fn last_batch(&self) -> u64 {
        self.batches[0]
    }

    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit(self.now)
    }

    /// Takes operations and makes them durable.
    pub fn keep(&mut self, ops: &[Op]) {
        self.take(ops);
        self.commit().unwrap();
    }

    pub fn reports(&mut self) -> Vec<(u8, Report)> {
        std::iter::from_fn(|| self.store.poll_report()).map(|(shard, report)| (shard.0, report)).collect()
    }

    /// The last batch of shard 0 that is durable, if that is news.
    pub fn durable(&mut self) -> Option<u64> {
        self.reports().into_iter().filter(|(shard, _)| *shard == 0).map(|(_, report)| report.durable).max()
    }

    pub fn accepting(&mut self) -> Vec<bool> {
        self.reports().into_iter().filter_map(|(_, report)| report.accepting).collect()
    }

    pub fn loaded(&mut self) -> Loaded {
        let mut loaded: Vec<Loaded> = self.reports().into_iter().flat_map(|(_, report)| report.loaded).collect();
        assert_eq!(loaded.len(), 1);
        loaded.remove(0)
    }

    pub fn stats(&self) -> Stats {
        self.store.stats()
    }

    /// Cleans as long as there is something to do.
    pub fn clean(&mut self) {
        for _ in 0..1_000 {
            let goes_on = self.store.clean(self.now).unwrap();
            self.commit().unwrap();
            if !goes_on {
                return;
            }
        }
        panic!("cleaning does not end");
    }
}

pub fn session() -> Op {
    Op::Session { id: SESSION, version: 1 }
}

/// A message with an entry that waits for it, on disk only.
pub fn queued(number: u64) -> [Op; 2] {
    let stamp = number + 1_000;
    [Op::Message { stamp }, Op::Entry { session: SESSION, number, stamp, progress: Progress::Spilled }]
}

pub fn ended(number: u64) -> Op {
    Op::EndEntry { session: SESSION, number }
}

pub fn numbers(loaded: &Loaded) -> Vec<u64> {
    loaded.entries.iter().map(|(entry, _)| entry.number).collect()
}

pub fn recovered_numbers(recovered: &Recovered) -> Vec<u64> {
    recovered.sessions.iter().flat_map(|session| &session.queue).map(|(entry, _)| entry.number).collect()
}

pub fn request(bytes_max: usize) -> ReadRequest {
    ReadRequest { session: SESSION, key: SessionKey(5), generation: 6, bytes_max }
}

/// A message that expires.
pub fn expiring(stamp: u64, expires_at: u64) -> Message {
    let mut message = op::message(stamp);
    message.expires_at = Some(expires_at);
    message
}
