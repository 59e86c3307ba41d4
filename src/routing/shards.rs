//! Shard numbers and sets of them.

/// A shard's number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardIndex(pub u8);

/// A set of shards, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(pub u128);

impl ShardSet {
    pub fn insert(&mut self, shard: ShardIndex) {
        self.0 |= 1 << shard.0;
    }
    pub fn remove(&mut self, shard: ShardIndex) {
        self.0 &= !(1 << shard.0);
    }
    pub fn contains(self, shard: ShardIndex) -> bool {
        self.0 & (1 << shard.0) != 0
    }
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// The members, ascending.
    pub fn iter(self) -> impl Iterator<Item = ShardIndex> {
        let mut bits = self.0;
        std::iter::from_fn(move || {
            (bits != 0).then(|| {
                let shard = bits.trailing_zeros() as u8;
                bits &= bits - 1;
                ShardIndex(shard)
            })
        })
    }
}
