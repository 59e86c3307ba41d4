//! Filters without a wildcard: one hash table from filter to target.
//!
//! A topic is matched against all of them with one look-up, whether they are a thousand or a million. What does not
//! match costs one cache line of tags, and no comparison of text.
//!
//! A hash table has up to twice as many places as entries, and while it grows the old places beside the new ones. So
//! the places are small: half of the hash, and the number of an entry. The entries themselves, 32 bytes beside the text
//! of the filter, are in a slab without gaps. As the places hold the hash, growing reads neither entries nor texts,
//! which would be a cache miss for each.

use super::keyed_hash::KeyedHash;
use super::slab::Slab;
use super::table::Table;
use super::target::Target;

#[derive(Debug)]
pub(super) struct Exact {
    places: Table<Place>,
    entries: Slab<Entry>,
    hash: KeyedHash,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    entry: u32,
}

#[derive(Debug, Default)]
struct Entry {
    filter: Box<str>,
    target: Target,
}

const _: () = assert!(size_of::<Place>() == 8);
const _: () = assert!(size_of::<Entry>() == 32);

impl Exact {
    pub fn new(hash: KeyedHash) -> Self {
        Self { places: Table::new(), entries: Slab::new(), hash }
    }

    /// What `topic` goes to; never an empty target.
    #[inline]
    pub fn get(&self, topic: &str) -> Option<&Target> {
        self.find(self.half_hash(topic), topic).map(|entry| &self.entries.get(entry).target)
    }

    /// All entries have numbers below this one.
    pub fn end(&self) -> u32 {
        self.entries.end()
    }

    /// The entry of a number; one that is free has an empty target.
    pub fn at(&self, number: u32) -> Option<(&str, &Target)> {
        self.entries.find(number).map(|entry| (&*entry.filter, &entry.target))
    }

    pub fn get_or_insert(&mut self, filter: &str) -> &mut Target {
        let hash = self.half_hash(filter);
        let entry = self.find(hash, filter).unwrap_or_else(|| {
            let entry = self.entries.insert(Entry { filter: filter.into(), target: Target::Empty });
            self.places.insert_unique(widen(hash), Place { hash, entry }, |place| widen(place.hash));
            entry
        });
        &mut self.entries.get_mut(entry).target
    }

    /// Changes the target of `filter`, if there is one, and forgets the filter if its target is then empty.
    pub fn update<R>(&mut self, filter: &str, change: impl FnOnce(&mut Target) -> R) -> Option<R> {
        let hash = self.half_hash(filter);
        let entry = self.find(hash, filter)?;
        let target = &mut self.entries.get_mut(entry).target;
        let result = change(target);
        if target.is_empty() {
            self.places.remove(widen(hash), |place| place.entry == entry, |place| widen(place.hash));
            self.entries.remove(entry);
        }
        Some(result)
    }

    #[inline]
    fn find(&self, hash: u32, filter: &str) -> Option<u32> {
        let same = |place: &Place| place.hash == hash && *self.entries.get(place.entry).filter == *filter;
        self.places.find(widen(hash), same).map(|place| place.entry)
    }

    #[inline]
    fn half_hash(&self, filter: &str) -> u32 {
        (self.hash.text(filter) >> 32) as u32
    }
}

/// The hash for the table, which looks at both ends of it.
#[inline]
fn widen(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
