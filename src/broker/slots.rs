//! Connections and sessions by number.

use crate::routing::slab::Slab;

/// Numbered slots, each empty or not. They grow in chunks: a vector that doubles would stop the shard to copy a million
/// sessions, and hold up to twice their memory.
#[derive(Debug)]
pub(super) struct Slots<T> {
    slots: Slab<Option<T>>,
    used: usize,
}

impl<T> Slots<T> {
    pub fn new() -> Self {
        Self { slots: Slab::new(), used: 0 }
    }

    /// Slots that are not empty.
    pub fn len(&self) -> usize {
        self.used
    }

    /// All slots are below this number.
    pub fn end(&self) -> u32 {
        self.slots.end()
    }

    /// Puts `value` into an empty slot.
    pub fn insert(&mut self, value: T) -> u32 {
        self.used += 1;
        self.slots.insert(Some(value))
    }

    /// Empties a slot.
    pub fn remove(&mut self, slot: u32) -> Option<T> {
        self.get(slot)?;
        self.used -= 1;
        self.slots.remove(slot)
    }

    #[inline]
    pub fn get(&self, slot: u32) -> Option<&T> {
        self.slots.find(slot)?.as_ref()
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.find_mut(slot)?.as_mut()
    }

    /// What is in the slots, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }
}
