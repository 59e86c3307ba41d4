//! What the process may have: the ring, descriptors, memory, threads.

use super::Facts;
use super::finding::{Finding, Matters};
use super::goal::Goal;
use super::sysctls::files_of_process;
use crate::{capacity, limits};

/// The oldest kernel whose ring does, and the oldest whose buffers take many chunks.
const KERNEL_MIN: (u64, u64) = (6, 1);
const KERNEL_BETTER: (u64, u64) = (6, 12);
/// What the rest of the machine needs of its memory.
const MEMORY_OF_OTHERS: u64 = 256 << 20;

/// The kernel's version, and whether the ring works where that could be tried.
pub fn ring(facts: &Facts, _: &Goal) -> Vec<Finding> {
    let release = facts.text("proc/sys/kernel/osrelease");
    let version = release.and_then(version);
    let tried = facts.ring.as_ref();
    let works = match (version, tried) {
        (_, Some(Err(_))) => Some(false),
        (Some(version), _) => Some(version >= KERNEL_MIN),
        (None, Some(Ok(()))) => Some(true),
        (None, None) => None,
    };
    let state = match tried {
        Some(Ok(())) => ", io_uring works".to_owned(),
        Some(Err(error)) => format!(", {error}"),
        None => String::new(),
    };
    let found = release.filter(|_| version.is_some()).map(|release| format!("{release}{state}"));
    let found = found.or_else(|| tried.map(|_| state.trim_start_matches(", ").to_owned()));
    let ring = Finding::judge("io_uring", Matters::Required, found, works)
        .wanted("Linux 6.1 or newer that lets this process set up a ring")
        .why(
            "The sockets are on rings with DEFER_TASKRUN (6.1) and multishot receives (6.0). Containers forbid io_uring by \
             their seccomp profile.",
            "io_uring/io_uring.c, io_uring_setup",
        )
        .remedy(
            "a newer kernel; kernel.io_uring_disabled=0; in a container a seccomp profile that allows io_uring_setup, \
             io_uring_enter and io_uring_register",
            "the old profile or kernel",
        );
    let buffers = Finding::judge(
        "io_uring incremental buffers",
        Matters::Helps,
        release.map(str::to_owned),
        version.map(|version| version >= KERNEL_BETTER),
    )
    .wanted("Linux 6.12 or newer")
    .why(
        "From there a receive buffer takes many chunks (IOU_PBUF_RING_INC): 20 pairs with 16 KiB cost 0.947 of the CPU.",
        "io_uring/kbuf.c",
    )
    .remedy("a newer kernel", "the old kernel");
    vec![ring, buffers]
}

/// RLIMIT_NOFILE.
pub fn open_files(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let limit = facts.limit("Max open files");
    let needed = files_of_process(facts, goal);
    vec![
        Finding::judge("RLIMIT_NOFILE", Matters::Required, limit.map(hard), limit.map(|(hard, _)| hard >= needed))
            .wanted(format!("a hard limit of at least {needed}"))
            .why(
                "Each connection is a file of the process. RingMQ raises its soft limit to the hard one itself. Shown is the limit of \
                 whoever runs this, or of the process that --pid names.",
                "getrlimit(2)",
            )
            .remedy(
                format!("LimitNOFILE={needed} in the unit (systemctl edit ringmq), or as root: ulimit -n {needed}"),
                "take the line out again",
            ),
    ]
}

/// RLIMIT_MEMLOCK.
pub fn locked_memory(facts: &Facts, _: &Goal) -> Vec<Finding> {
    let limit = facts.limit("Max locked memory");
    let shards = facts.cpus().min(limits::SHARDS_MAX as u64);
    let needed = limits::LOCKED_MEMORY_MIN + shards * limits::LOCKED_MEMORY_PER_SHARD;
    vec![
        Finding::judge("RLIMIT_MEMLOCK", Matters::Required, limit.map(hard), limit.map(|(hard, _)| hard >= needed))
            .wanted(format!("a hard limit of at least {needed} bytes"))
            .why(
                "The executor's rings register memory: 512 KiB, and 192 KiB more for each shard.",
                "io_uring_register(2)",
            )
            .remedy(
                format!("LimitMEMLOCK={needed} in the unit, or as root: ulimit -l {}", needed.div_ceil(1_024)),
                "take the line out again",
            ),
    ]
}

/// Memory for so many connections.
pub fn memory(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let available = facts.memory_bytes("MemAvailable");
    let needed = capacity::idle_bytes(goal.connections, false).saturating_add(MEMORY_OF_OTHERS);
    let found = available.map(|bytes| format!("{} available", mib(bytes)));
    vec![
        Finding::judge("memory", Matters::Required, found, available.map(|available| available >= needed))
            .wanted(format!("at least {}", mib(needed)))
            .why(
                format!(
                    "{} B of the process and {} B of the kernel for an idle connection, and 256 MiB for the rest of the machine. Queues are \
                     not in it: ringmq capacity.",
                    capacity::constants::CONNECTION_BYTES,
                    capacity::constants::CONNECTION_KERNEL_BYTES
                ),
                "benches/record/2026-11-22-million.md",
            )
            .remedy("more memory, or fewer connections", "-"),
    ]
}

/// RLIMIT_NPROC.
pub fn threads(facts: &Facts, _: &Goal) -> Vec<Finding> {
    let limit = facts.limit("Max processes");
    let needed = facts.cpus() + 64;
    vec![
        Finding::judge("RLIMIT_NPROC", Matters::Required, limit.map(hard), limit.map(|(hard, _)| hard >= needed))
            .wanted(format!("a hard limit of at least {needed}"))
            .why("A thread for each shard and a dozen more, and what the user runs otherwise.", "getrlimit(2)")
            .remedy(format!("LimitNPROC={needed} in the unit"), "take the line out again"),
    ]
}

pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

fn hard((hard, _): (u64, u64)) -> String {
    if hard == u64::MAX { "unlimited".into() } else { hard.to_string() }
}

/// Major and minor of a release such as `6.18.44-fc`.
fn version(release: &str) -> Option<(u64, u64)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
