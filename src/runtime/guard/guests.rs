//! Connections that are counted by their address.

use std::sync::Arc;

use super::Guard;
use super::addresses::AddressKey;
use crate::net::Chunked;

/// One connection. However it ends, on whatever shard, it is not counted any more when this is dropped.
#[derive(Debug, Default)]
pub struct Guest(Option<(Arc<Guard>, AddressKey)>);

impl Guest {
    pub(super) fn new(guard: Arc<Guard>, key: AddressKey) -> Self {
        Self(Some((guard, key)))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some((guard, key)) = self.0.take() {
            guard.leave(key);
        }
    }
}

/// Those of a shard, by the ring's slots. Nothing is kept as long as nobody is counted.
#[derive(Debug, Default)]
pub struct Guests(Chunked<Guest>);

impl Guests {
    pub fn set(&mut self, slot: u32, guest: Guest) {
        let slot = slot as usize;
        if guest.0.is_none() && slot >= self.0.len() {
            return;
        }
        while slot >= self.0.len() {
            self.0.push(Guest::default());
        }
        if let Some(place) = self.0.get_mut(slot) {
            *place = guest;
        }
    }

    /// The connection has ended.
    pub fn release(&mut self, slot: u32) {
        if let Some(place) = self.0.get_mut(slot as usize) {
            *place = Guest::default();
        }
    }
}
