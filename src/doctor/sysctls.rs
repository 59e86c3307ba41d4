//! Sysctls: one row for each.

use super::Facts;
use super::facts::Reading;
use super::finding::{Change, Finding, Matters};
use super::goal::Goal;

/// Descriptors of the whole machine beside the connections.
const FILES_OF_OTHERS: u64 = 100_000;
/// Descriptors of the process beside the connections and what a shard has: logs, files, the store.
const FILES_OF_PROCESS: u64 = 256;
/// Connections that wait to be accepted, beyond which a full queue is worth a thought.
const BACKLOG: u64 = 4_096;
/// Bytes that one connection may have on their way for 1 Gbit/s over 32 ms.
const WINDOW_BYTES: u64 = 4 << 20;

/// A row: the key, what is wanted of it and why.
pub struct Sysctl {
    pub key: &'static str,
    source: &'static str,
    why: &'static str,
    row: fn(&Facts, &Goal) -> (Matters, Wanted),
    /// What it means that the file is not there; where that is not known, it is not readable.
    absent: Option<&'static str>,
}

/// What the numbers should be.
enum Wanted {
    AtLeast(u64),
    AtMost(u64),
    Is(u64),
    IsNot(u64, u64),
    /// The last of three, with all three as they would be set.
    LastAtLeast(u64, [u64; 3]),
    Anything,
}

pub const SYSCTLS: &[Sysctl] = &[
    Sysctl {
        key: "kernel.io_uring_disabled",
        source: "Documentation/admin-guide/sysctl/kernel.rst",
        why: "RingMQ's sockets are io_uring's; 1 forbids it to all but root and kernel.io_uring_group, 2 to all.",
        row: |_, _| (Matters::Required, Wanted::Is(0)),
        absent: Some("not there before Linux 6.6, nothing is forbidden"),
    },
    Sysctl {
        key: "fs.nr_open",
        source: "Documentation/admin-guide/sysctl/fs.rst",
        why: "No limit of open files (LimitNOFILE) can be above it, and each connection is a file.",
        row: |facts, goal| (Matters::Required, Wanted::AtLeast(files_of_process(facts, goal))),
        absent: None,
    },
    Sysctl {
        key: "fs.file-max",
        source: "Documentation/admin-guide/sysctl/fs.rst",
        why: "All open files of the machine; beyond it accept fails with ENFILE for all but root.",
        row: |_, goal| (Matters::Required, Wanted::AtLeast(goal.connections.saturating_add(FILES_OF_OTHERS))),
        absent: None,
    },
    Sysctl {
        key: "fs.epoll.max_user_watches",
        source: "fs/eventpoll.c, ep_insert",
        why: "Connections that have yet to say their first word are watched with epoll, and so are those of a crowd until they speak again; \
              beyond it RingMQ closes them (no-room-to-wait).",
        row: |_, goal| (Matters::Required, Wanted::AtLeast(goal.connections)),
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_mem",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "Pages of all TCP buffers: low, pressure, maximum. A message on its way to each connection is a page for each; \
              above the maximum the kernel drops what arrives.",
        row: |_, goal| {
            let pages = goal.connections;
            let three = [pages, pages.saturating_add(pages / 2), pages.saturating_mul(2)];
            (Matters::Required, Wanted::LastAtLeast(pages, three))
        },
        absent: None,
    },
    Sysctl {
        key: "net.core.somaxconn",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "Connections that the broker has not accepted yet (it asks for 65,535); what comes when the queue is full is dropped, and \
              tried again by the client a second later. It is read when a listener opens: restart the broker.",
        row: |_, _| (Matters::Helps, Wanted::AtLeast(BACKLOG)),
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_syncookies",
        source: "net/ipv4/tcp_input.c, tcp_conn_request",
        why: "Without it, SYNs beyond three quarters of tcp_max_syn_backlog are dropped.",
        row: |_, _| (Matters::Helps, Wanted::IsNot(0, 1)),
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_max_syn_backlog",
        source: "net/ipv4/tcp_input.c, tcp_conn_request",
        why: "It is looked at only where tcp_syncookies is 0; the queue of half-open connections is bounded by the \
              listener's own backlog.",
        row: |facts, _| match facts.number("proc/sys/net/ipv4/tcp_syncookies") {
            Some(0) => (Matters::Helps, Wanted::AtLeast(BACKLOG)),
            _ => (Matters::No, Wanted::Anything),
        },
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_rmem",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "The third is the most that a connection's receive buffer grows to: bytes on their way from one fast and far \
              client. Idle connections use nothing of it.",
        row: |_, goal| (helps_if(goal.is_throughput()), Wanted::LastAtLeast(WINDOW_BYTES, [4_096, 131_072, 6 << 20])),
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_wmem",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "The third is the most that a connection's send buffer grows to, and so what a client that does not read may cost \
              the kernel.",
        row: |_, goal| {
            (helps_if(goal.is_throughput()), Wanted::LastAtLeast(WINDOW_BYTES, [4_096, 16_384, WINDOW_BYTES]))
        },
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_slow_start_after_idle",
        source: "net/ipv4/tcp_output.c, tcp_cwnd_restart",
        why: "With 1 a connection that was quiet for a retransmission time-out sends a large message in several round trips again. Messages of \
              less than ten segments (14 KB) are not touched.",
        row: |_, goal| (helps_if(goal.is_throughput()), Wanted::Is(0)),
        absent: None,
    },
    Sysctl {
        key: "net.netfilter.nf_conntrack_max",
        source: "Documentation/networking/nf_conntrack-sysctl.rst",
        why: "Connections that the firewall remembers; new ones beyond it are dropped. Better still are rules that do not track the \
              broker's port (notrack).",
        row: |facts, goal| {
            let is_used = facts.number("proc/sys/net/netfilter/nf_conntrack_count").is_none_or(|count| count > 0);
            let matters = if is_used { Matters::Required } else { Matters::No };
            (matters, Wanted::AtLeast(goal.connections.saturating_add(FILES_OF_OTHERS)))
        },
        absent: Some("conntrack is not loaded"),
    },
    Sysctl {
        key: "kernel.sched_rt_runtime_us",
        source: "Documentation/scheduler/sched-rt-group.rst",
        why: "A shard that never sleeps (runtime.idle = \"busy\") at a real-time priority (chrt) is stopped for 50 ms of each second by the \
              950,000 of the default. It counts for nobody else; -1 takes the net away from under a thread that loops.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: None,
    },
    Sysctl {
        key: "kernel.threads-max",
        source: "Documentation/admin-guide/sysctl/kernel.rst",
        why: "RingMQ has a thread for each shard and a dozen more, however many clients there are.",
        row: |facts, _| (Matters::Required, Wanted::AtLeast(facts.cpus().saturating_add(64))),
        absent: None,
    },
    Sysctl {
        key: "kernel.numa_balancing",
        source: "Documentation/admin-guide/sysctl/kernel.rst",
        why: "Shards are pinned and take their memory where they are; unmapping it again and again to look for a better place \
              costs faults.",
        row: |facts, goal| {
            let nodes = facts.text("sys/devices/system/node/online").and_then(super::facts::list_length).unwrap_or(1);
            (helps_if(nodes > 1 && goal.aim != super::Aim::General), Wanted::Is(0))
        },
        absent: Some("the kernel has no NUMA balancing"),
    },
    Sysctl {
        key: "vm.swappiness",
        source: "Documentation/admin-guide/sysctl/vm.rst",
        why: "A session that was swapped out costs a disk read when its message comes. It counts only where there is swap.",
        row: |facts, goal| {
            let is_swapping = facts.memory_bytes("SwapTotal").unwrap_or(0) > 0;
            (helps_if(is_swapping && (goal.is_latency() || goal.connections > 100_000)), Wanted::AtMost(10))
        },
        absent: None,
    },
    Sysctl {
        key: "vm.overcommit_memory",
        source: "Documentation/mm/overcommit-accounting.rst",
        why: "2 refuses address space that is reserved and not used; the allocator reserves much more than it uses.",
        row: |_, _| (Matters::Helps, Wanted::IsNot(2, 0)),
        absent: None,
    },
    Sysctl {
        key: "net.core.busy_poll",
        source: "Documentation/admin-guide/sysctl/net.rst",
        why: "It is for who waits in select, poll or epoll; RingMQ waits in its ring. runtime.idle = \"busy\" is its own.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: Some("the kernel has no busy polling"),
    },
    Sysctl {
        key: "net.core.busy_read",
        source: "Documentation/admin-guide/sysctl/net.rst",
        why: "It is for receives that wait; RingMQ's ring reads what is there, so it would look at the card's queue once for each.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: Some("the kernel has no busy polling"),
    },
    Sysctl {
        key: "net.core.rmem_max",
        source: "net/core/sock.c, sk_setsockopt (SO_RCVBUF)",
        why: "The most that a program may ask for with SO_RCVBUF. RingMQ does not ask: TCP's own tuning goes by tcp_rmem.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: Some("not to be seen in this network namespace"),
    },
    Sysctl {
        key: "net.core.wmem_max",
        source: "net/core/sock.c, sk_setsockopt (SO_SNDBUF)",
        why: "The same for SO_SNDBUF.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: Some("not to be seen in this network namespace"),
    },
    Sysctl {
        key: "net.ipv4.ip_local_port_range",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "Ports for connections that go out. A broker's come in; it is the load generator that needs them.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: None,
    },
    Sysctl {
        key: "net.ipv4.tcp_fin_timeout",
        source: "Documentation/networking/ip-sysctl.rst",
        why: "How long the kernel keeps a closed connection whose other end has not closed (FIN-WAIT-2). It is not the time of \
              TIME-WAIT, which is fixed.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: None,
    },
    Sysctl {
        key: "vm.max_map_count",
        source: "Documentation/admin-guide/sysctl/vm.rst",
        why: "Mappings of one process. RingMQ's do not grow with its connections.",
        row: |_, _| (Matters::No, Wanted::Anything),
        absent: None,
    },
];

/// A finding for each row.
pub fn all(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    SYSCTLS.iter().map(|sysctl| sysctl.examine(facts, goal)).collect()
}

/// Descriptors that the process needs.
pub fn files_of_process(facts: &Facts, goal: &Goal) -> u64 {
    let own = FILES_OF_PROCESS + facts.cpus().saturating_mul(crate::limits::DESCRIPTORS_PER_SHARD as u64);
    goal.connections.saturating_add(own)
}

/// It helps, or does not matter.
pub fn helps_if(condition: bool) -> Matters {
    if condition { Matters::Helps } else { Matters::No }
}

impl Sysctl {
    /// Why it is wanted, and the line of a script that sees to it on any machine; nothing where any value is good.
    pub fn script_line(&self, facts: &Facts, goal: &Goal) -> Option<(&'static str, String)> {
        let file = format!("proc/sys/{}", self.key.replace('.', "/"));
        let (matters, wanted) = (self.row)(facts, goal);
        let line = match wanted {
            _ if matters == Matters::No => return None,
            Wanted::AtLeast(number) => format!("at_least {file} {number}"),
            Wanted::AtMost(number) => format!("at_most {file} {number}"),
            Wanted::Is(number) => format!("change {file} {number}"),
            Wanted::IsNot(bad, number) => format!("never_is {file} {bad} {number}"),
            Wanted::LastAtLeast(least, [first, second, third]) => {
                format!("third_at_least {file} {least} {first} {second} {third}")
            }
            Wanted::Anything => return None,
        };
        Some((self.why, line))
    }

    fn examine(&self, facts: &Facts, goal: &Goal) -> Finding {
        let file = format!("proc/sys/{}", self.key.replace('.', "/"));
        let (matters, wanted) = (self.row)(facts, goal);
        let numbers = signed_numbers(facts.text(&file));
        let (found, is_met) = match (facts.reading(&file), self.absent) {
            (Reading::Absent, Some(meaning)) => (Some(meaning.to_owned()), Some(true)),
            (Reading::Text(text), _) => {
                let found = numbers.is_some().then(|| text.to_owned());
                (found, numbers.as_ref().and_then(|numbers| wanted.is_met(numbers)))
            }
            _ => (None, None),
        };
        let finding =
            Finding::judge(self.key, matters, found, is_met).wanted(wanted.to_text()).why(self.why, self.source);
        let Some(value) = wanted.value(numbers.as_deref().unwrap_or(&[])) else { return finding };
        let old = finding.found.clone().unwrap_or_default();
        let set = |value: &str| format!("sysctl -w {}=\"{value}\"", self.key);
        finding.remedy(set(&value), set(&old)).changing(vec![Change { file, value }])
    }
}

impl Wanted {
    /// Absent if these numbers are none that it can have.
    fn is_met(&self, numbers: &[i64]) -> Option<bool> {
        let as_signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        if let Self::Anything = self {
            return Some(true);
        }
        if let Self::LastAtLeast(least, _) = self {
            let [_, _, last] = numbers else { return None };
            return Some(*last >= as_signed(*least));
        }
        let [number] = numbers else { return None };
        Some(match self {
            Self::AtLeast(least) => *number >= as_signed(*least),
            Self::AtMost(most) => *number <= as_signed(*most),
            Self::Is(value) => *number == as_signed(*value),
            Self::IsNot(value, _) => *number != as_signed(*value),
            Self::LastAtLeast(..) | Self::Anything => true,
        })
    }

    fn to_text(&self) -> String {
        match self {
            Self::AtLeast(number) => format!("at least {number}"),
            Self::AtMost(number) => format!("at most {number}"),
            Self::Is(number) => number.to_string(),
            Self::IsNot(number, _) => format!("not {number}"),
            Self::LastAtLeast(number, _) => format!("the third at least {number}"),
            Self::Anything => "anything".into(),
        }
    }

    /// What to set. Of three, none becomes less than it was.
    fn value(&self, found: &[i64]) -> Option<String> {
        Some(match self {
            Self::AtLeast(number) | Self::AtMost(number) | Self::Is(number) | Self::IsNot(_, number) => {
                number.to_string()
            }
            Self::LastAtLeast(_, three) => {
                let old = |place: usize| found.get(place).and_then(|old| u64::try_from(*old).ok()).unwrap_or(0);
                let new: Vec<String> =
                    three.iter().enumerate().map(|(place, number)| old(place).max(*number).to_string()).collect();
                new.join(" ")
            }
            Self::Anything => return None,
        })
    }
}

/// The numbers of a file, if it has nothing else; -1 is one (sched_rt_runtime_us).
fn signed_numbers(text: Option<&str>) -> Option<Vec<i64>> {
    // Where a file says "without bound" it is larger than i64: fs.file-max is 2^63 - 1 where nobody has set it.
    let number = |word: &str| word.parse::<i64>().ok().or_else(|| word.parse::<u64>().ok().map(|_| i64::MAX));
    let numbers: Option<Vec<i64>> = text?.split_ascii_whitespace().map(number).collect();
    numbers.filter(|numbers| !numbers.is_empty())
}
