//! What a configuration decides for the store.

/// When the shards are told that a batch is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// When its group was written and synced.
    #[default]
    Synced,
    /// When its group was given to the kernel; [`Store::sync`](super::Store::sync) is called now and then.
    Written,
}

/// Configuration of a [`Store`](super::Store).
#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub shards: usize,
    pub acknowledge: Acknowledge,
    /// Bytes of a segment; one with a single larger group may be larger.
    pub segment_size: u64,
    /// Bytes of all segments above which the store does not accept.
    pub size_max: u64,
    /// Bytes of messages of one session that a recovery brings back; the others are on disk only.
    pub queue_memory_max: usize,
    /// Seed of the hashes, for a store that is created now.
    pub hash_seed: u64,
    /// Wall-clock time, in milliseconds since 1970, at which the shards' clock was 0. Times are kept as wall-clock times.
    pub wall_at_zero_ms: u64,
}
