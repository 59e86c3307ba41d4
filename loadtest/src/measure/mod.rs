//! What is read from the kernel about a process, the broker's or our own, and how latencies are kept.

pub mod cpu;
pub mod disk;
pub mod family;
pub mod hdr_log;
pub mod intervals;
pub mod kernel;
pub mod latency;
pub mod memory;
pub mod switches;

use std::time::Instant;

/// Nanoseconds since the run began. All threads of a run share one origin, so times of one are comparable in another.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub fn now_ns(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

/// The fields of proc_pid_stat(5) from the third on. The name before them may hold spaces and parentheses.
fn after_name(stat: &str) -> Option<std::str::SplitAsciiWhitespace<'_>> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_ascii_whitespace())
}
