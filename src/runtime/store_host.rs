//! The storage thread among the shards: how it is started, whom it tells, and what its end means.

use std::sync::Arc;
use std::time::Duration;

use super::clock::{self, Clock};
use super::mailbox::{Mail, Mailboxes};
use crate::broker::{Interests, Partition, Report, Settings, partition};
use crate::routing::ShardIndex;
use crate::storage::thread::Job;
use crate::storage::{
    BatchSender, Durability, Files, Host, Opened, SpaceWatch, StorageConfig, StorageError, StorageThread, open,
};
use crate::store::StoreConfig;

/// Reads what was kept, and decides by it what all shards must agree on.
pub fn recover(
    config: &StorageConfig,
    settings: &mut Settings,
    shards: usize,
    clock: Clock,
) -> Result<Opened, StorageError> {
    let store = StoreConfig {
        shards,
        acknowledge: config.durability.acknowledge(),
        segment_size: config.segment_size,
        size_max: config.size_max,
        queue_memory_max: settings.queue_memory_max,
        hash_seed: if settings.hash_seed == 0 { clock::seed() } else { settings.hash_seed },
        wall_at_zero_ms: clock.wall_at_zero_ms(),
    };
    let opened = open(config, store, || clock.elapsed())?;
    settings.hash_seed = opened.store.hash_seed();
    settings.acknowledge_unsynced = config.durability == Durability::Memory;
    Ok(opened)
}

/// What a shard is started with when there is a store.
#[derive(Debug)]
pub struct Kept {
    pub sender: BatchSender,
    pub partition: Partition,
    /// The same for all shards.
    pub interests: Arc<Interests>,
}

/// Starts the thread.
pub fn start(
    opened: Opened,
    config: &StorageConfig,
    settings: &Settings,
    shards: usize,
    clock: Clock,
    mailboxes: Arc<Mailboxes>,
) -> Result<(StorageThread, Vec<Kept>), StorageError> {
    let Opened { store, lock, recovered } = opened;
    let dir = lock.dir().to_owned();
    let name = dir.display().to_string();
    let space = SpaceWatch::new(config.free_space_min, move || Files::free_space(&dir));
    let job = Job { store, shards, durability: config.durability, space, name };
    let host = StoreHost { clock, shards, mailboxes };
    let (thread, senders) = StorageThread::spawn(job, host, lock)?;
    let (partitions, interests) = partition(recovered, settings, shards);
    let interests = Arc::new(interests);
    let kept = senders.into_iter().zip(partitions);
    let kept = kept.map(|(sender, partition)| Kept { sender, partition, interests: interests.clone() });
    Ok((thread, kept.collect()))
}

struct StoreHost {
    clock: Clock,
    shards: usize,
    mailboxes: Arc<Mailboxes>,
}

impl Host for StoreHost {
    fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    fn report(&self, shard: ShardIndex, report: Report) {
        self.mailboxes.push_and_wake(usize::from(shard.0), Mail::Report(report));
    }
}

/// The thread ends after the shards. If it ends before, by a panic, they must not go on: they would acknowledge nothing any
/// more, and a restart recovers all that was acknowledged.
impl Drop for StoreHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the storage thread failed, the server stops");
        }
        for shard in 0..self.shards {
            self.mailboxes.push_and_wake(shard, Mail::Stop);
        }
    }
}
