//! Bytes that processes had written to disk, from /proc/PID/io (proc_pid_io(5)).

use super::family::Family;
use std::fs;

/// `write_bytes` of all the processes. The kernel counts a page when it becomes dirty, so a short write costs a page, and so
/// does each further one after a sync. A process that has ended since the family was listed counts for nothing. `None` where it may
/// not be read: it is another user's process.
pub fn written_bytes(family: &Family) -> Option<u64> {
    let has_ended = |pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true);
    let written = |pid| match fs::read_to_string(format!("/proc/{pid}/io")) {
        Ok(text) => parse(&text),
        Err(_) if has_ended(pid) => Some(0),
        Err(_) => None,
    };
    family.pids().map(written).sum()
}

fn parse(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_bytes_are_read_from_their_line() {
        let text = "wchar: 9\nsyscw: 3\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n";
        assert_eq!(parse(text), Some(8_192));
        assert_eq!(parse("wchar: 9\n"), None);
    }
}
