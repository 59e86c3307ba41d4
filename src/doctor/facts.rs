//! What the machine's files say, read once.
//!
//! Only the files of [`FILES`] and those of the process's cgroup are read, below a root directory that may be another machine's copy. Whatever is
//! in them is text to be judged later; nothing here fails.

use std::collections::BTreeMap;
use std::fs::{File, read_dir};
use std::io::Read;
use std::path::Path;

use crate::limits::{DOCTOR_ENTRIES_MAX, DOCTOR_FILE_SIZE_MAX};

/// The files that are looked at; `*` stands for any part of one name, and `PROCESS` for the process whose limits count.
pub const FILES: &[&str] = &[
    "proc/PROCESS/limits",
    "proc/PROCESS/cgroup",
    "proc/meminfo",
    "proc/swaps",
    "proc/net/softnet_stat",
    "proc/sys/fs/nr_open",
    "proc/sys/fs/file-max",
    "proc/sys/kernel/io_uring_disabled",
    "proc/sys/kernel/numa_balancing",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/sched_rt_runtime_us",
    "proc/sys/kernel/threads-max",
    "proc/sys/net/core/*",
    "proc/sys/net/ipv4/ip_local_port_range",
    "proc/sys/net/ipv4/tcp_*",
    "proc/sys/net/netfilter/nf_conntrack_*",
    "proc/sys/vm/max_map_count",
    "proc/sys/vm/overcommit_memory",
    "proc/sys/vm/swappiness",
    "proc/irq/*/smp_affinity_list",
    "sys/class/net/*/device/msi_irqs/*",
    "sys/class/net/*/device/../msi_irqs/*",
    "sys/class/net/*/device/numa_node",
    "sys/class/net/*/device/uevent",
    "sys/class/net/*/gro_flush_timeout",
    "sys/class/net/*/napi_defer_hard_irqs",
    "sys/class/net/*/operstate",
    "sys/class/net/*/queues/rx-*/rps_cpus",
    "sys/class/net/*/queues/rx-*/rps_flow_cnt",
    "sys/class/net/*/queues/tx-*/xps_cpus",
    "sys/devices/system/clocksource/clocksource0/*_clocksource",
    "sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "sys/devices/system/cpu/cpu*/cpuidle/state*/disable",
    "sys/devices/system/cpu/cpu*/cpuidle/state*/latency",
    "sys/devices/system/cpu/cpuidle/current_governor",
    "sys/devices/system/cpu/online",
    "sys/devices/system/node/online",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/module/haltpoll/parameters/guest_halt_poll_ns",
];

/// Files of a cgroup, version 2, and its equivalents in the hierarchies of version 1.
const CGROUP_FILES: [&str; 3] = ["memory.max", "cpu.max", "pids.max"];
const CGROUP_V1_FILES: [(&str, &str); 4] = [
    ("memory", "memory.limit_in_bytes"),
    ("cpu", "cpu.cfs_quota_us"),
    ("cpu", "cpu.cfs_period_us"),
    ("pids", "pids.max"),
];
/// Deeper than containers nest.
const CGROUP_DEPTH_MAX: usize = 32;

/// A file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading<'a> {
    /// It is not there.
    Absent,
    /// It is there, and not to be read, or not text.
    Unreadable,
    /// What it says, without the white space around it.
    Text(&'a str),
}

/// All that was read, and what trying the ring said.
#[derive(Debug, Default)]
pub struct Facts {
    files: BTreeMap<String, Option<String>>,
    /// Whether the ring works, where it could be tried: on this machine, not on a copy.
    pub ring: Option<Result<(), String>>,
}

impl Facts {
    /// Reads the files below `root`, with the limits of `process`, a number or `self`.
    pub fn read(root: &Path, process: &str) -> Self {
        let mut facts = Self::default();
        for pattern in FILES {
            let place = pattern.replace("PROCESS", process);
            let parts: Vec<&str> = place.split('/').collect();
            facts.read_matching(root, String::new(), &parts);
        }
        for name in ["limits", "cgroup"] {
            let content = facts.files.remove(&format!("proc/{process}/{name}"));
            facts.files.extend(content.map(|content| (format!("process/{name}"), content)));
        }
        for path in facts.cgroup_files() {
            facts.read_file(root, path);
        }
        facts
    }

    /// Facts from values, for tests and for trying out a thought.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(path, content)| (path.into(), Some(content.trim().into()))).collect();
        Self { files, ring: None }
    }

    /// What the file says. `path` is without the root's slash.
    pub fn reading(&self, path: &str) -> Reading<'_> {
        match self.files.get(path) {
            None => Reading::Absent,
            Some(None) => Reading::Unreadable,
            Some(Some(text)) => Reading::Text(text),
        }
    }

    /// What the file says; nothing if that cannot be read.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// All numbers of the file, if it has nothing else.
    pub fn numbers(&self, path: &str) -> Option<Vec<u64>> {
        let numbers: Option<Vec<u64>> =
            self.text(path)?.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }

    /// The file's only number.
    pub fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Files whose path begins and ends like this, with the part between.
    pub fn between<'a>(&'a self, start: &'a str, end: &'a str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        self.files
            .range(start.to_owned()..)
            .take_while(move |(path, _)| path.starts_with(start))
            .filter_map(move |(path, content)| Some((path.strip_prefix(start)?.strip_suffix(end)?, content.as_deref())))
    }

    /// Bytes of a line of /proc/meminfo.
    pub fn memory_bytes(&self, name: &str) -> Option<u64> {
        let line = self.text("proc/meminfo")?.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
    }

    /// CPUs that are online; 1 where that cannot be read, for there is at least one.
    pub fn cpus(&self) -> u64 {
        self.text("sys/devices/system/cpu/online").and_then(list_length).unwrap_or(1).max(1)
    }

    /// Hard and soft limit of the process, by the name in /proc/PID/limits; `u64::MAX` is unlimited.
    pub fn limit(&self, name: &str) -> Option<(u64, u64)> {
        let line = self.text("process/limits")?.lines().find_map(|line| line.strip_prefix(name))?;
        let mut words = line.split_ascii_whitespace().map(|word| match word {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        });
        let soft = words.next()??;
        Some((words.next()??, soft))
    }

    /// Directories of the process's cgroup and of those around it, the innermost first, with its version's place.
    pub fn cgroup_places(&self) -> Vec<String> {
        let Some(text) = self.text("process/cgroup") else { return Vec::new() };
        let mut places = Vec::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let base = match controllers {
                "" => "sys/fs/cgroup".to_owned(),
                "memory" | "pids" => format!("sys/fs/cgroup/{controllers}"),
                "cpu" | "cpu,cpuacct" | "cpuacct,cpu" => "sys/fs/cgroup/cpu".to_owned(),
                _ => continue,
            };
            let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).take(CGROUP_DEPTH_MAX).collect();
            if names.iter().all(|name| is_plain(name) && *name != "..") {
                let joined =
                    |count: usize| names.iter().take(count).fold(base.clone(), |place, name| format!("{place}/{name}"));
                places.extend((0..=names.len()).rev().map(joined));
            }
        }
        places
    }

    fn cgroup_files(&self) -> Vec<String> {
        let of_place = |place: String| {
            let v1 = CGROUP_V1_FILES.iter().filter(|(controller, _)| {
                place.strip_prefix("sys/fs/cgroup/").is_some_and(|rest| rest.split('/').next() == Some(*controller))
            });
            let names: Vec<&str> = CGROUP_FILES.iter().copied().chain(v1.map(|(_, name)| *name)).collect();
            names.into_iter().map(|name| format!("{place}/{name}")).collect::<Vec<_>>()
        };
        self.cgroup_places().into_iter().flat_map(of_place).collect()
    }

    /// Reads all files below `root/place` that the parts of the pattern match.
    fn read_matching(&mut self, root: &Path, place: String, parts: &[&str]) {
        let Some((part, rest)) = parts.split_first() else {
            return self.read_file(root, place);
        };
        let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
        let Some((start, end)) = part.split_once('*') else {
            return self.read_matching(root, below(part), rest);
        };
        let Ok(entries) = read_dir(root.join(&place)) else { return };
        let mut names: Vec<String> = entries
            .take(DOCTOR_ENTRIES_MAX)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end))
            .filter(|name| is_plain(name))
            .collect();
        names.sort();
        for name in names {
            self.read_matching(root, below(&name), rest);
        }
    }

    fn read_file(&mut self, root: &Path, place: String) {
        let path = root.join(&place);
        // Of a copied tree anything may be in place of a file; a pipe would make a reader wait.
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(metadata) if metadata.is_dir() => return,
            Ok(_) => return drop(self.files.insert(place, None)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => return drop(self.files.insert(place, None)),
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(DOCTOR_FILE_SIZE_MAX).read_to_end(&mut bytes));
        let text = read.ok().and_then(|_| String::from_utf8(bytes).ok());
        let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.contains('\0'));
        self.files.insert(place, text);
    }
}

/// Whether a name can stand in a script and on a terminal as it is. Others belong to nothing that is looked for.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@-+\\".contains(&byte))
}

/// How many numbers a list such as `0-3,8` has.
pub fn list_length(list: &str) -> Option<u64> {
    list_ranges(list)?
        .iter()
        .try_fold(0u64, |sum, (first, last)| sum.checked_add(last.checked_sub(*first)?)?.checked_add(1))
}

/// The ranges of such a list.
pub fn list_ranges(list: &str) -> Option<Vec<(u64, u64)>> {
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some((first.trim().parse().ok()?, last.trim().parse().ok()?)),
        None => part.trim().parse().ok().map(|number| (number, number)),
    };
    list.split(',').map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_counted() {
        for (list, length) in [("0", Some(1)), ("0-3", Some(4)), ("0-1,4,6-7", Some(5)), ("", None), ("a-b", None)] {
            assert_eq!(list_length(list), length, "{list}");
        }
        assert_eq!(list_length("3-1"), None);
        assert_eq!(list_length("0-18446744073709551615"), None);
    }

    #[test]
    fn limits_are_read() {
        let facts = Facts::from_files([(
            "process/limits",
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 unlimited            files",
        )]);
        assert_eq!(facts.limit("Max open files"), Some((u64::MAX, 1_024)));
        assert_eq!(facts.limit("Max locked memory"), None);
        let garbage = Facts::from_files([("process/limits", "Max open files some files")]);
        assert_eq!(garbage.limit("Max open files"), None);
    }

    #[test]
    fn cgroups_around_the_own_are_found() {
        let facts = Facts::from_files([("process/cgroup", "9:name=systemd:/\n8:pids:/a\n0::/b/c\nx\n0::/../etc")]);
        let places = facts.cgroup_places();
        let expected =
            ["sys/fs/cgroup/pids/a", "sys/fs/cgroup/pids", "sys/fs/cgroup/b/c", "sys/fs/cgroup/b", "sys/fs/cgroup"];
        assert_eq!(places, expected);
    }
}
