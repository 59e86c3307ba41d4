//! The one hash of the topic index. It is keyed, so that a client that does not know the seed cannot choose filters
//! that collide.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

#[derive(Clone, Debug)]
pub(super) struct KeyedHash(FixedState);

impl KeyedHash {
    pub fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub fn text(&self, text: &str) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write(text.as_bytes());
        hasher.finish()
    }

    #[inline]
    pub fn number(&self, number: u64) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(number);
        hasher.finish()
    }
}

/// Spreads a number over all 64 bits (the finalizer of SplitMix64). Not keyed: the same on every shard.
#[inline]
pub(super) fn spread(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
