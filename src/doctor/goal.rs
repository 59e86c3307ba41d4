//! What the machine is to be good for.

use serde::Serialize;

/// What counts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aim {
    /// Nothing in particular.
    General,
    /// That a message is there soon.
    Latency,
    /// That many are.
    Throughput,
}

/// A goal.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Goal {
    /// Connections at a time.
    pub connections: u64,
    pub aim: Aim,
}

impl Goal {
    pub fn is_latency(&self) -> bool {
        self.aim == Aim::Latency
    }

    pub fn is_throughput(&self) -> bool {
        self.aim == Aim::Throughput
    }
}
