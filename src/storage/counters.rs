//! What the storage thread counts, for anyone to read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::backlog::Backlog;
use crate::broker::Millis;
use crate::latency::{Latency, Recorder};

/// Counters of the store since the server started, and its levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Groups written, and their bytes.
    pub groups: u64,
    pub bytes: u64,
    pub syncs: u64,
    /// Longest time that a group took to be written and, if acknowledgements wait for it, synced, in microseconds.
    pub commit_us_max: u64,
    /// Commits and syncs that failed and are tried again.
    pub failures: u64,
    /// Bytes that wait to be written, about.
    pub pending_bytes: u64,
    /// Whether it takes new facts.
    pub accepting: bool,
}

/// The same while they are counted: written by the storage thread alone.
#[derive(Debug)]
pub struct SharedCounters {
    groups: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    commit_us_max: AtomicU64,
    failures: AtomicU64,
    accepting: AtomicBool,
    /// The lock is taken once in a commit, and by who asks.
    commits: Mutex<Recorder>,
}

impl Default for SharedCounters {
    fn default() -> Self {
        Self {
            groups: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            commit_us_max: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            accepting: AtomicBool::new(true),
            commits: Mutex::default(),
        }
    }
}

impl SharedCounters {
    pub fn read(&self, pending_bytes: usize) -> StoreCounters {
        StoreCounters {
            groups: self.groups.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            commit_us_max: self.commit_us_max.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            pending_bytes: pending_bytes as u64,
            accepting: self.accepting.load(Ordering::Relaxed),
        }
    }

    pub fn set_written(&self, groups: u64, bytes: u64, syncs: u64, commit_us_max: u64) {
        self.groups.store(groups, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.syncs.store(syncs, Ordering::Relaxed);
        self.commit_us_max.store(commit_us_max, Ordering::Relaxed);
    }

    /// A group took so long to be written and, if acknowledgements wait for it, synced.
    pub fn record_commit(&self, time: Duration, now: Millis) {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        commits.record(time.as_nanos() as u64, now);
    }

    fn commits(&self, now: Millis) -> Latency {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).read(now)
    }

    pub fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn set_accepting(&self, accepting: bool) {
        self.accepting.store(accepting, Ordering::Relaxed);
    }
}

/// A look at the storage thread that does not keep it running.
#[derive(Clone, Debug)]
pub struct StoreWatch {
    counters: Arc<SharedCounters>,
    backlog: Arc<Backlog>,
}

impl StoreWatch {
    pub fn new(counters: Arc<SharedCounters>, backlog: Arc<Backlog>) -> Self {
        Self { counters, backlog }
    }

    pub fn counters(&self) -> StoreCounters {
        self.counters.read(self.backlog.bytes())
    }

    /// How long groups took to be written and, if acknowledgements wait for it, synced.
    pub fn commits(&self, now: Millis) -> Latency {
        self.counters.commits(now)
    }
}
