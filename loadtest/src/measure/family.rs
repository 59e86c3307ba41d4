//! A process and those it started. Some brokers do part of their work in helper processes; what those use is the broker's.

use anyhow::ensure;
use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

/// Process ids of a process and all its descendants, as they were when it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    pids: Vec<u32>,
}

impl Family {
    /// Reads the parent of every process there is (/proc/PID/stat), because not every kernel tells a process's children.
    /// That is milliseconds on a busy machine: keep the result for what is asked often.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        ensure!(fs::exists(format!("/proc/{pid}"))?, "there is no process {pid}: is the broker running?");
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may end between the listing and the reading.
            let Ok(text) = fs::read_to_string(format!("/proc/{child}/stat")) else { continue };
            if let Some(parent) = parent_of(&text) {
                children.entry(parent).or_default().push(child);
            }
        }
        Ok(Self { pids: descendants(pid, &children) })
    }

    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.pids.iter().copied()
    }

    /// Thread ids, which are unique on a machine, and the directory of each thread.
    pub fn threads(&self) -> impl Iterator<Item = (u32, PathBuf)> {
        let directories = self.pids().filter_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
        directories.flatten().flatten().filter_map(|entry| {
            let thread_id = entry.file_name().to_str()?.parse().ok()?;
            Some((thread_id, entry.path()))
        })
    }
}

fn descendants(pid: u32, children: &HashMap<u32, Vec<u32>>) -> Vec<u32> {
    let mut pids = vec![pid];
    let mut next = 0;
    while let Some(pid) = pids.get(next) {
        pids.extend(children.get(pid).into_iter().flatten());
        next += 1;
    }
    pids
}

/// Field 4 (ppid) of proc_pid_stat(5).
fn parent_of(text: &str) -> Option<u32> {
    super::after_name(text)?.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_whatever_the_name() {
        assert_eq!(parent_of("7 (a) b (c) S 12 7 7 0 -1"), Some(12));
        assert_eq!(parent_of("7 (a"), None);
    }

    #[test]
    fn descendants_are_all_generations_and_nobody_else() {
        let children = HashMap::from([(1, vec![2, 9]), (2, vec![3, 4]), (4, vec![5]), (9, vec![10])]);
        assert_eq!(descendants(2, &children), [2, 3, 4, 5]);
    }

    #[test]
    fn our_own_process_has_this_thread() {
        let family = Family::of(std::process::id()).unwrap();
        let this = rustix::thread::gettid().as_raw_nonzero().get() as u32;
        assert!(family.threads().any(|(thread_id, _)| thread_id == this));
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        // Above the highest process id that Linux gives (proc_sys_kernel(5), pid_max).
        assert!(Family::of(u32::MAX).unwrap_err().to_string().contains("is the broker running?"));
    }
}
