//! Which shards still have clients while the server stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many shards have clients, or may get some.
#[derive(Clone, Debug, Default)]
pub struct Attendance(Arc<AtomicUsize>);

/// One shard's part of it; dropped when its last client has left, also by a panic.
#[derive(Debug)]
pub struct Presence(Arc<AtomicUsize>);

impl Attendance {
    /// Before any shard leaves.
    pub fn enter(&self) -> Presence {
        self.0.fetch_add(1, Ordering::Relaxed);
        Presence(self.0.clone())
    }

    /// Nobody has clients any more. What a shard pushed into mailboxes before it left is there for whoever has seen this.
    pub fn is_over(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_with_the_last() {
        let attendance = Attendance::default();
        let (first, second) = (attendance.enter(), attendance.enter());
        drop(first);
        assert!(!attendance.is_over());
        drop(second);
        assert!(attendance.is_over());
    }
}
