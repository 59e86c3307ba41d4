//! How many connections the process has, over all shards.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::limits;

/// What becomes of a connection that was just accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admitted,
    /// It is counted, and its CONNECT gets a refusal.
    OverLimit,
    /// So many are over the limit that there is no descriptor left to answer: close it. It is not counted.
    Hopeless,
}

/// The one count that shards share; touched once when a connection comes and once when it goes.
#[derive(Debug)]
pub struct Admission {
    open: AtomicUsize,
    connections_max: AtomicUsize,
}

impl Admission {
    pub fn new(connections_max: usize) -> Self {
        Self { open: AtomicUsize::new(0), connections_max: AtomicUsize::new(connections_max) }
    }

    /// Has another bound from now on; nobody is disconnected for it.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.connections_max.store(connections_max, Ordering::Relaxed);
    }

    pub fn connections_max(&self) -> usize {
        self.connections_max.load(Ordering::Relaxed)
    }

    pub fn admit(&self) -> Verdict {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let connections_max = self.connections_max.load(Ordering::Relaxed);
        if open < connections_max {
            Verdict::Admitted
        } else if open < connections_max + limits::REFUSAL_DESCRIPTORS {
            Verdict::OverLimit
        } else {
            self.leave();
            Verdict::Hopeless
        }
    }

    pub fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that are open, those over the limit included.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_exact_and_refusals_are_bounded() {
        let admission = Admission::new(2);
        assert_eq!(admission.admit(), Verdict::Admitted);
        assert_eq!(admission.admit(), Verdict::Admitted);
        for _ in 0..limits::REFUSAL_DESCRIPTORS {
            assert_eq!(admission.admit(), Verdict::OverLimit);
        }
        assert_eq!(admission.admit(), Verdict::Hopeless);
        for _ in 0..=limits::REFUSAL_DESCRIPTORS {
            admission.leave();
        }
        assert_eq!(admission.admit(), Verdict::Admitted);
        assert_eq!(admission.admit(), Verdict::OverLimit);
    }
}
