//! Memory of a process and those it started, from /proc/PID/smaps_rollup (proc_pid_smaps(5)).

use super::family::Family;
use anyhow::{Context, ensure};
use std::fs;

/// User-space memory of a broker's processes, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Resident set: everything mapped and present, the program's own code included. What several processes of the broker
    /// share counts for each of them.
    pub rss_bytes: u64,
    /// Proportional set: pages shared by N processes count for one N-th.
    pub pss_bytes: u64,
    /// The part that is not backed by a file: heap and stacks.
    pub anonymous_bytes: u64,
}

impl Memory {
    /// Reads what the processes have now. It walks the page tables, so it is not for a measured interval.
    pub fn take(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let mut total = parse(&fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?)
            .with_context(|| format!("{path} has no Rss, Pss or Anonymous"))?;
        for child in Family::of(pid)?.pids().filter(|&child| child != pid) {
            // A child may have ended, or be a process that has no memory of its own yet.
            let text = fs::read_to_string(format!("/proc/{child}/smaps_rollup"));
            if let Some(memory) = text.ok().as_deref().and_then(parse) {
                total.rss_bytes += memory.rss_bytes;
                total.pss_bytes += memory.pss_bytes;
                total.anonymous_bytes += memory.anonymous_bytes;
            }
        }
        Ok(total)
    }
}

/// The resident set from /proc/PID/statm (proc_pid_statm(5)), bytes. The kernel keeps this count, within some pages, so
/// reading it costs nothing and is for a measured interval.
pub fn resident_bytes(family: &Family) -> anyhow::Result<u64> {
    let pages = family.pids().filter_map(|pid| resident_pages(&fs::read_to_string(format!("/proc/{pid}/statm")).ok()?));
    let bytes = pages.sum::<u64>() * rustix::param::page_size() as u64;
    ensure!(bytes > 0, "the broker's process has ended");
    Ok(bytes)
}

fn resident_pages(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn parse(text: &str) -> Option<Memory> {
    Some(Memory {
        rss_bytes: field(text, "Rss:")?,
        pss_bytes: field(text, "Pss:")?,
        anonymous_bytes: field(text, "Anonymous:")?,
    })
}

/// A field that is given in kibibytes, as bytes.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollup_is_read() {
        let text =
            "5581c000-7ffe000 ---p 00000000 00:00 0    [rollup]\nRss:    2048 kB\nPss:    1 kB\nAnonymous:      3 kB\n";
        let expected = Memory { rss_bytes: 2_097_152, pss_bytes: 1_024, anonymous_bytes: 3_072 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("Rss: 1 kB\n"), None);
    }

    #[test]
    fn resident_pages_are_the_second_number() {
        assert_eq!(resident_pages("9000 2049 800 1 0 500 0\n"), Some(2_049));
        assert_eq!(resident_pages("9000\n"), None);
    }
}
