//! CPU time of a process and those it started, summed over their threads, from /proc/PID/task/*/schedstat (Documentation/scheduler/sched-stats:
//! nanoseconds running, nanoseconds waiting for a CPU, time slices).
//!
//! /proc/PID/stat counts in ticks of 10 ms and is the fallback where the kernel was built without schedstat. Kernel work
//! that a thread causes is charged to it: on loopback that is the whole way of a segment to the receiving socket.

use super::family::Family;
use anyhow::{Context, ensure};
use std::collections::HashMap;
use std::fs;

/// CPU time between two [`CpuSample`]s, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub running_ns: u64,
    /// Time in which a thread could run but other threads had the CPU; zero where schedstat is missing. Where it is
    /// not close to nothing, the machine was busy with something else and latencies say little.
    pub waiting_ns: u64,
}

impl CpuTime {
    /// Time in which there was work to do.
    pub fn wanted_ns(&self) -> u64 {
        self.running_ns + self.waiting_ns
    }
}

/// The counters of each thread at one moment.
#[derive(Clone, Debug, Default)]
pub struct CpuSample {
    threads: HashMap<u32, CpuTime>,
}

impl CpuSample {
    /// Reads the counters of all threads of the process and its descendants.
    pub fn take(pid: u32) -> anyhow::Result<Self> {
        Self::of(&Family::of(pid)?)
    }

    /// Reads the counters of all threads of these processes.
    pub fn of(family: &Family) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for (thread_id, directory) in family.threads() {
            // A thread may end between the listing and the reading.
            if let Ok(text) = fs::read_to_string(directory.join("schedstat")) {
                threads.insert(thread_id, parse_schedstat(&text).context("schedstat")?);
            } else if let Ok(text) = fs::read_to_string(directory.join("stat")) {
                threads.insert(thread_id, parse_stat(&text).context("stat")?);
            }
        }
        ensure!(!threads.is_empty(), "the broker's process has ended");
        Ok(Self { threads })
    }

    /// What was used since `earlier`. Threads that ended in between are missing from the sum.
    pub fn since(&self, earlier: &Self) -> CpuTime {
        self.each_since(earlier).fold(CpuTime::default(), |total, thread| CpuTime {
            running_ns: total.running_ns + thread.running_ns,
            waiting_ns: total.waiting_ns + thread.waiting_ns,
        })
    }

    /// What the thread with the most work wanted since `earlier`, nanoseconds.
    pub fn busiest_since(&self, earlier: &Self) -> u64 {
        self.each_since(earlier).map(|thread| thread.wanted_ns()).max().unwrap_or(0)
    }

    fn each_since<'a>(&'a self, earlier: &'a Self) -> impl Iterator<Item = CpuTime> + 'a {
        self.threads.iter().map(|(thread_id, now)| {
            let before = earlier.threads.get(thread_id).copied().unwrap_or_default();
            CpuTime {
                running_ns: now.running_ns.saturating_sub(before.running_ns),
                waiting_ns: now.waiting_ns.saturating_sub(before.waiting_ns),
            }
        })
    }
}

fn parse_schedstat(text: &str) -> Option<CpuTime> {
    let mut fields = text.split_ascii_whitespace();
    let running_ns = fields.next()?.parse().ok()?;
    let waiting_ns = fields.next()?.parse().ok()?;
    Some(CpuTime { running_ns, waiting_ns })
}

/// Fields 14 and 15 (utime, stime) of proc_pid_stat(5).
fn parse_stat(text: &str) -> Option<CpuTime> {
    let mut fields = super::after_name(text)?.skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    let tick_ns = 1_000_000_000 / rustix::param::clock_ticks_per_second();
    Some(CpuTime { running_ns: (user + system) * tick_ns, waiting_ns: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedstat_is_read() {
        assert_eq!(parse_schedstat("120600 5665 2\n"), Some(CpuTime { running_ns: 120_600, waiting_ns: 5_665 }));
        assert_eq!(parse_schedstat("12"), None);
    }

    #[test]
    fn stat_is_read_whatever_the_name() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 5 0 0";
        assert_eq!(parse_stat(text), Some(CpuTime { running_ns: 3_000_000_000, waiting_ns: 0 }));
    }

    #[test]
    fn a_thread_that_appears_between_samples_counts_from_zero() {
        let time = |running_ns| CpuTime { running_ns, waiting_ns: 1 };
        let earlier = CpuSample { threads: HashMap::from([(1, time(100)), (2, time(50))]) };
        let later = CpuSample { threads: HashMap::from([(1, time(130)), (3, time(7))]) };
        assert_eq!(later.since(&earlier), CpuTime { running_ns: 37, waiting_ns: 1 });
        assert_eq!(later.busiest_since(&earlier), 30);
    }
}
