//! What the cgroup of the process allows: the smallest of its own limit and those of the groups around it.

use super::Facts;
use super::finding::{Finding, Matters};
use super::goal::Goal;
use super::limits_of_process::mib;
use crate::capacity;

const SOURCE: &str = "Documentation/admin-guide/cgroup-v2.rst";
/// A limit of version 1 that is none is a number near this.
const UNLIMITED_V1: u64 = 1 << 60;

/// memory.max: sockets of the kernel count, too.
pub fn memory(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let needed = capacity::idle_bytes(goal.connections, false);
    let limit = smallest(facts, &["memory.max", "memory.limit_in_bytes"]);
    let found = limit.map(|limit| limit.map_or("max".into(), mib));
    let is_met = limit.map(|limit| limit.is_none_or(|limit| limit >= needed));
    one(facts, "cgroup memory.max", Matters::Required, found, is_met, |finding| {
        finding
            .wanted(format!("at least {}", mib(needed)))
            .why(
                "Beyond it the process is killed. The kernel's sockets and their buffers count as the group's.",
                SOURCE,
            )
            .remedy(format!("MemoryMax={needed} in the unit, --memory {needed} of the container"), "the old value")
    })
}

/// cpu.max: a quota of time.
pub fn cpu(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let quota = quota(facts);
    let found = quota.map(|quota| quota.map_or("max".into(), |(time, period)| format!("{time} of each {period} µs")));
    let enough = |(time, period): (u64, u64)| time / period.max(1) >= facts.cpus();
    let is_met = quota.map(|quota| quota.is_none_or(enough));
    let matters = if goal.is_latency() { Matters::Required } else { Matters::Helps };
    one(facts, "cgroup cpu.max", matters, found, is_met, |finding| {
        finding
            .wanted("max, or as many cores as CPUs are to be seen")
            .why(
                "All shards together have so much of a period; when it is used up, all stand still until the next one, up to 100 ms. Give \
                 whole CPUs (cpuset) in place of a quota.",
                SOURCE,
            )
            .remedy("CPUQuota= (empty) and AllowedCPUs= in the unit, --cpuset-cpus in place of --cpus", "the old value")
    })
}

/// pids.max: threads.
pub fn pids(facts: &Facts, _: &Goal) -> Vec<Finding> {
    let needed = facts.cpus() + 64;
    let limit = smallest(facts, &["pids.max"]);
    let found = limit.map(|limit| limit.map_or("max".into(), |limit| limit.to_string()));
    let is_met = limit.map(|limit| limit.is_none_or(|limit| limit >= needed));
    one(facts, "cgroup pids.max", Matters::Required, found, is_met, |finding| {
        finding
            .wanted(format!("at least {needed}"))
            .why(
                "Threads count; RingMQ has one for each shard and a dozen more.",
                "Documentation/admin-guide/cgroup-v2.rst",
            )
            .remedy(format!("TasksMax={needed} in the unit, --pids-limit {needed} of the container"), "the old value")
    })
}

/// Nothing where the process has no group to be seen, as on a copy without it.
fn one(
    facts: &Facts,
    name: &str,
    matters: Matters,
    found: Option<String>,
    is_met: Option<bool>,
    finish: impl Fn(Finding) -> Finding,
) -> Vec<Finding> {
    if facts.cgroup_places().is_empty() {
        return Vec::new();
    }
    vec![finish(Finding::judge(name, matters, found, is_met))]
}

/// The smallest number in these files; `Some(None)` if none of them has a bound, `None` if one of them is not readable.
fn smallest(facts: &Facts, names: &[&str]) -> Option<Option<u64>> {
    let mut bound = None;
    for place in facts.cgroup_places() {
        for name in names {
            let path = format!("{place}/{name}");
            let limit = match facts.reading(&path) {
                super::Reading::Absent | super::Reading::Text("max") => continue,
                super::Reading::Unreadable => return None,
                super::Reading::Text(text) => text.parse::<u64>().ok()?,
            };
            if limit < UNLIMITED_V1 {
                bound = Some(bound.map_or(limit, |bound: u64| bound.min(limit)));
            }
        }
    }
    Some(bound)
}

/// The smallest quota in µs with its period.
fn quota(facts: &Facts) -> Option<Option<(u64, u64)>> {
    let mut bound: Option<(u64, u64)> = None;
    for place in facts.cgroup_places() {
        let (v2, v1) = (format!("{place}/cpu.max"), format!("{place}/cpu.cfs_quota_us"));
        let found = match (facts.reading(&v2), facts.reading(&v1)) {
            (super::Reading::Absent, super::Reading::Absent | super::Reading::Text("-1")) => continue,
            (super::Reading::Text(text), _) => match text.split_once(' ') {
                Some(("max", _)) => continue,
                Some((time, period)) => (time.parse().ok()?, period.trim().parse().ok()?),
                None => return None,
            },
            (_, super::Reading::Text(time)) => {
                (time.parse().ok()?, facts.number(&format!("{place}/cpu.cfs_period_us"))?)
            }
            _ => return None,
        };
        // A part of a core, compared crosswise.
        let is_less = |(time, period): (u64, u64)| {
            u128::from(found.0) * u128::from(period) < u128::from(time) * u128::from(found.1)
        };
        if bound.is_none_or(is_less) {
            bound = Some(found);
        }
    }
    Some(bound)
}
