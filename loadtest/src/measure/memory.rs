//! Memory of a process, from /proc/PID/smaps_rollup (proc_pid_smaps(5)).

use anyhow::Context;
use std::fs;

/// User-space memory of a process, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Memory {
    /// Resident set: everything mapped and present, the program's own code included.
    pub rss_bytes: u64,
    /// The part that is not backed by a file: heap and stacks.
    pub anonymous_bytes: u64,
}

impl Memory {
    /// Reads what the process has now. It walks the page tables, so it is not for a measured interval.
    pub fn take(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        parse(&text).with_context(|| format!("{path} has no Rss or Anonymous"))
    }
}

fn parse(text: &str) -> Option<Memory> {
    Some(Memory { rss_bytes: field(text, "Rss:")?, anonymous_bytes: field(text, "Anonymous:")? })
}

fn field(text: &str, name: &str) -> Option<u64> {
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
        assert_eq!(parse(text), Some(Memory { rss_bytes: 2_097_152, anonymous_bytes: 3_072 }));
        assert_eq!(parse("Rss: 1 kB\n"), None);
    }
}
