//! The store: what shards want kept, in a log of segments.
//!
//! The store is the one writer of a directory. It takes [`Batch`]es from all shards, applies them to an index in memory (where
//! on disk is each fact that still holds), and appends them to a log as one group, with one checksum and one sync: a group is on
//! disk as a whole or not at all. Facts that are forgotten before their group is written are not written.
//!
//! The log is cleaned from its oldest segment on: what still holds there is appended anew, then the segment is deleted. So a
//! record that only says that another is void can be dropped when its segment is the oldest: what it voids was before it.
//!
//! Files are behind [`Disk`]; nothing here names one.

pub mod config;
pub mod disk;
pub mod error;

use crate::broker::{Batch, Millis, Recovered, Report};
use crate::routing::ShardIndex;

pub use config::{Acknowledge, StoreConfig};
pub use disk::Disk;
pub use error::{OpenError, StoreError};

/// A store that is open.
pub struct Store<D> {
    disk: D,
}

/// What [`Store::open`] found.
pub struct Opened<D> {
    pub store: Store<D>,
    pub recovered: Recovered,
    pub findings: Findings,
}

/// What an operator wants to know of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The directory had no store.
    pub is_new: bool,
    pub segments: u64,
    pub bytes_read: u64,
    pub groups: u64,
    pub records: u64,
    /// Bytes of a last group that was not written to its end: nobody was told that they are kept.
    pub torn_bytes: u64,
    /// Sections without effect, because the other shards' parts of their publish were lost with the crash.
    pub incomplete_sections: u64,
    /// Entries or retained topics whose message is not there. 0, unless somebody has altered the files.
    pub dangling: u64,
}

/// How far a recovery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryProgress {
    pub bytes_read: u64,
    pub bytes_total: u64,
}

/// Levels and counters of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub segments: u64,
    /// Bytes of all segments, as far as they are written.
    pub bytes: u64,
    /// Of these, roughly, bytes of facts that hold.
    pub bytes_live: u64,
    pub sessions: u64,
    pub subscriptions: u64,
    pub entries: u64,
    pub messages: u64,
    pub retained: u64,
    /// Groups written, and their bytes, since the store was opened.
    pub groups_written: u64,
    pub bytes_written: u64,
    /// Of these, bytes that cleaning has written anew.
    pub bytes_relocated: u64,
    /// Records that were void before they were written.
    pub records_elided: u64,
    pub syncs: u64,
    pub segments_deleted: u64,
}

impl<D: Disk> Store<D> {
    /// Reads what the directory holds, and prepares to write behind it. `progress` is called about every 16 MiB.
    pub fn open(
        disk: D,
        config: StoreConfig,
        progress: &mut dyn FnMut(RecoveryProgress),
    ) -> Result<Opened<D>, OpenError> {
        let _ = (disk, config, progress);
        todo!()
    }

    /// Seed of the hashes that give clients and topics their shards; as the store was created with.
    pub fn hash_seed(&self) -> u64 {
        todo!()
    }

    /// Takes over a shard's batch; nothing is written yet.
    pub fn take(&mut self, shard: ShardIndex, batch: Batch) {
        let _ = (shard, batch);
        todo!()
    }

    /// Bytes, roughly, that [`commit`](Self::commit) would write.
    pub fn pending_bytes(&self) -> usize {
        todo!()
    }

    /// Appends all that was taken to the log as one group, and syncs it if the configuration acknowledges what is synced. Answers reads.
    /// After an error nothing is lost and nothing acknowledged: what was taken waits for the next call.
    pub fn commit(&mut self, now: Millis) -> Result<(), StoreError> {
        let _ = now;
        todo!()
    }

    /// Syncs what was written and not synced.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        todo!()
    }

    /// What to tell a shard; `None` when there is no more.
    pub fn poll_report(&mut self) -> Option<(ShardIndex, Report)> {
        todo!()
    }

    /// Reads a bounded piece of the oldest segment, and takes what still holds there into the next group; true if there is
    /// more to do, which is the case while more than half of the log is void.
    pub fn clean(&mut self, now: Millis) -> Result<bool, StoreError> {
        let _ = now;
        todo!()
    }

    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Gives the disk back.
    pub fn into_disk(self) -> D {
        self.disk
    }
}
