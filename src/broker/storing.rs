//! What the core has for the store.

use super::{Batch, Millis, Recovered, Report, Settings, Shard};

/// What was kept for one shard.
#[derive(Debug, Default)]
pub struct Partition {}

pub fn partition(recovered: Recovered, settings: &Settings, shards: usize) -> Vec<Partition> {
    let _ = (recovered, settings);
    (0..shards).map(|_| Partition::default()).collect()
}

impl Shard {
    pub fn poll_store(&mut self) -> Option<Batch> {
        None
    }

    pub fn handle_report(&mut self, report: Report, now: Millis) {
        let _ = (report, now);
    }

    pub fn restore(&mut self, partition: Partition, now: Millis) {
        let _ = (partition, now);
    }
}
