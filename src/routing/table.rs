//! A hash table that grows in small steps.
//!
//! One large table stands still while it grows: at a million entries for many milliseconds, and every message that
//! arrives meanwhile waits. Here the entries are spread over [`SEGMENTS`] tables by bits of the hash that the tables
//! themselves do not use. Each of them grows and shrinks for itself, so that no single step moves more than
//! 1/256 of the entries. A look-up costs one more load, from an array that stays in the cache.

use hashbrown::HashTable;

const SEGMENTS: usize = 256;

/// hashbrown takes the position from the lowest bits of a hash and the tag from the highest seven; these are between.
const SEGMENT_SHIFT: u32 = 40;

/// A segment below this capacity is not worth shrinking.
const SHRINK_CAPACITY_MIN: usize = 64;

#[derive(Debug)]
pub struct Table<T> {
    segments: Box<[HashTable<T>]>,
}

impl<T> Table<T> {
    pub fn new() -> Self {
        Self { segments: (0..SEGMENTS).map(|_| HashTable::new()).collect() }
    }

    #[inline]
    pub fn find(&self, hash: u64, equal: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segments[segment(hash)].find(hash, equal)
    }

    #[inline]
    pub fn find_mut(&mut self, hash: u64, equal: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.segments[segment(hash)].find_mut(hash, equal)
    }

    /// The entry, that `new` makes if it is not there.
    pub fn find_or_insert(
        &mut self,
        hash: u64,
        equal: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
        new: impl FnOnce() -> T,
    ) -> &mut T {
        self.segments[segment(hash)].entry(hash, equal, hash_of).or_insert_with(new).into_mut()
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        self.segments.iter_mut().for_each(|segment| segment.retain(&mut keep));
    }

    /// Adds an entry that is not there yet; `hash_of` must give the same hash for it as the caller's.
    pub fn insert_unique(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        self.segments[segment(hash)].insert_unique(hash, entry, hash_of);
    }

    /// Takes the entry out, and gives memory back once a segment is nearly empty.
    pub fn remove(&mut self, hash: u64, equal: impl FnMut(&T) -> bool, hash_of: impl Fn(&T) -> u64) -> Option<T> {
        let table = &mut self.segments[segment(hash)];
        let (entry, _) = table.find_entry(hash, equal).ok()?.remove();
        if table.capacity() > SHRINK_CAPACITY_MIN && table.len() < table.capacity() / 8 {
            table.shrink_to(table.len() * 2, hash_of);
        }
        Some(entry)
    }
}

#[inline]
fn segment(hash: u64) -> usize {
    (hash >> SEGMENT_SHIFT) as usize % SEGMENTS
}
