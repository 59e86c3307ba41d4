//! Memory that the kernel keeps for connections. It is not in any process's resident set, and the kernel tells it for the
//! whole machine only: on loopback both ends of each connection are in it, and whatever else runs.

use anyhow::Context;
use std::fs;

/// Kernel memory of the whole machine, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct KernelMemory {
    /// Reserved for data in TCP sockets' buffers: `mem` in /proc/net/sockstat, which counts pages (proc_pid_net(5)).
    pub tcp_bytes: u64,
    /// The kernel's own structures, sockets and descriptors among them: `Slab` in /proc/meminfo (proc_meminfo(5)).
    pub slab_bytes: u64,
}

impl KernelMemory {
    /// Reads what there is now, as the broker's network namespace shows it.
    pub fn take(pid: u32) -> anyhow::Result<Self> {
        let sockets = read(&format!("/proc/{pid}/net/sockstat"))?;
        let memory = read("/proc/meminfo")?;
        Ok(Self {
            tcp_bytes: tcp_pages(&sockets).context("sockstat has no TCP memory")? * rustix::param::page_size() as u64,
            slab_bytes: super::memory::field(&memory, "Slab:").context("meminfo has no Slab")?,
        })
    }
}

fn read(path: &str) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn tcp_pages(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut fields = line.split_ascii_whitespace();
    fields.find(|&name| name == "mem")?;
    fields.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_memory_is_read_from_its_line() {
        let text = "sockets: used 68\nTCP: inuse 6 orphan 0 tw 13926 alloc 7 mem 392\nUDP: inuse 2 mem 1\n";
        assert_eq!(tcp_pages(text), Some(392));
        assert_eq!(tcp_pages("UDP: inuse 2 mem 1\n"), None);
    }
}
