//! Context switches of a process, from /proc/PID/task/*/status (proc_pid_status(5)).

use super::family::Family;
use std::collections::HashMap;
use std::fs;

/// How often threads gave up a CPU, in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// To wait for something, such as the next message.
    pub voluntary: u64,
    /// Because another thread was to run.
    pub involuntary: u64,
}

/// The counters of each thread at one moment.
#[derive(Clone, Debug, Default)]
pub struct SwitchesSample {
    threads: HashMap<u32, Switches>,
}

impl SwitchesSample {
    /// Reads the counters of all threads. One that ends meanwhile is left out.
    pub fn take(family: &Family) -> Self {
        let threads = family.threads().filter_map(|(thread_id, directory)| {
            Some((thread_id, parse(&fs::read_to_string(directory.join("status")).ok()?)?))
        });
        Self { threads: threads.collect() }
    }

    /// The switches since `earlier`. Threads that ended in between are missing from the sum.
    pub fn since(&self, earlier: &Self) -> Switches {
        self.threads.iter().fold(Switches::default(), |total, (thread_id, now)| {
            let before = earlier.threads.get(thread_id).copied().unwrap_or_default();
            Switches {
                voluntary: total.voluntary + now.voluntary.saturating_sub(before.voluntary),
                involuntary: total.involuntary + now.involuntary.saturating_sub(before.involuntary),
            }
        })
    }
}

fn parse(text: &str) -> Option<Switches> {
    let field = |name| text.lines().find_map(|line: &str| line.strip_prefix(name))?.trim().parse().ok();
    Some(Switches { voluntary: field("voluntary_ctxt_switches:")?, involuntary: field("nonvoluntary_ctxt_switches:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read() {
        let text = "Name:\tmosquitto\nvoluntary_ctxt_switches:\t712\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(parse(text), Some(Switches { voluntary: 712, involuntary: 5 }));
        assert_eq!(parse("Name:\tmosquitto\n"), None);
    }

    #[test]
    fn a_thread_that_appears_between_samples_counts_from_zero() {
        let sample = |threads: &[(u32, u64)]| SwitchesSample {
            threads: threads.iter().map(|&(id, voluntary)| (id, Switches { voluntary, involuntary: 1 })).collect(),
        };
        let switches = sample(&[(1, 13), (3, 7)]).since(&sample(&[(1, 10), (2, 5)]));
        assert_eq!(switches, Switches { voluntary: 10, involuntary: 1 });
    }
}
