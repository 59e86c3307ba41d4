//! Which shard a client id or a retained topic belongs to.

use std::hash::BuildHasher;

use super::Settings;
use crate::codec::frame;
use crate::codec::{Packet, Version, decode};
use crate::routing::ShardIndex;

/// Where the first bytes of a connection belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// The CONNECT is not complete; ask again with more.
    NeedMore,
    Shard(ShardIndex),
    /// Whoever holds them answers: they are malformed, or have no client id.
    Here,
}

/// Reads the client id out of a CONNECT and tells its home shard.
pub fn home_of(bytes: &[u8], settings: &Settings, shards: usize) -> Home {
    const CONNECT: u8 = 0x10;
    if bytes.first().is_some_and(|first| first & 0xF0 != CONNECT) {
        return Home::Here;
    }
    match frame::find(bytes, settings.connect_size_max) {
        Ok(None) => Home::NeedMore,
        Ok(Some((frame, _))) => match decode::decode(frame, Version::V5_0) {
            Ok(Packet::Connect(connect)) if !connect.client_id.is_empty() => {
                Home::Shard(shard_of(hash(settings, connect.client_id), shards))
            }
            _ => Home::Here,
        },
        Err(_) => Home::Here,
    }
}

/// The shard on which a client's connection and session live.
pub fn home_of_client(client_id: &str, settings: &Settings, shards: usize) -> ShardIndex {
    shard_of(hash(settings, client_id), shards)
}

/// The shard that keeps a topic's retained message.
pub fn home_of_topic(topic: &str, settings: &Settings, shards: usize) -> ShardIndex {
    shard_of(hash(settings, topic), shards)
}

/// Hash of a client id or topic; the same on all shards, and not to be foreseen without the seed.
pub(super) fn hash(settings: &Settings, name: &str) -> u64 {
    foldhash::quality::FixedState::with_seed(settings.hash_seed).hash_one(name)
}

/// The shard for a hash: its upper half scaled to the number of shards.
pub(super) fn shard_of(hash: u64, shards: usize) -> ShardIndex {
    ShardIndex((((hash >> 32) * shards as u64) >> 32) as u8)
}
