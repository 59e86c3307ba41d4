//! What a configuration decides for the storage.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits;
use crate::store::Acknowledge;

/// What an acknowledgement means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It leaves when what it acknowledges was synced: nothing is lost, whatever fails but the disk.
    #[default]
    Commit,
    /// It leaves when the kernel has it; syncs follow at this interval. The end of the process loses nothing, that of the
    /// machine what came since the last sync.
    Interval(Duration),
    /// It waits for nothing. What was not handed to the kernel yet is lost with the process.
    Memory,
}

impl Durability {
    /// When the store reports to the shards.
    pub fn acknowledge(self) -> Acknowledge {
        match self {
            Self::Commit => Acknowledge::Synced,
            Self::Interval(_) | Self::Memory => Acknowledge::Written,
        }
    }

    /// Time from a write to its sync; `None` if each write is synced.
    pub fn sync_interval(self) -> Option<Duration> {
        match self {
            Self::Commit => None,
            Self::Interval(interval) => Some(interval),
            Self::Memory => Some(Duration::from_millis(limits::STORE_SYNC_INTERVAL_MS)),
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit => out.write_str("commit"),
            Self::Interval(interval) => write!(out, "interval = {interval:?}"),
            Self::Memory => out.write_str("memory"),
        }
    }
}

/// Configuration of the storage; it counts only with `Settings::persistence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageConfig {
    /// Where the segments are. It is created if its parent is there.
    pub dir: PathBuf,
    pub durability: Durability,
    /// Bytes of all segments.
    pub size_max: u64,
    /// Bytes of one segment.
    pub segment_size: u64,
    /// Free bytes of the file system below which nothing new is accepted.
    pub free_space_min: u64,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            dir: "./ringmq-data".into(),
            durability: Durability::default(),
            size_max: limits::STORE_SIZE_MAX_DEFAULT,
            segment_size: limits::STORE_SEGMENT_SIZE_DEFAULT,
            free_space_min: limits::STORE_FREE_SPACE_MIN_DEFAULT,
        }
    }
}
