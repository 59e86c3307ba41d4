//! CPUs, their clock, and the pages of memory.

use std::collections::BTreeSet;

use super::Facts;
use super::facts::list_length;
use super::finding::{Change, Finding, Matters};
use super::goal::{Aim, Goal};
use super::sysctls::helps_if;

/// Idle states that take longer to leave, in µs, are felt by a message that wakes a shard.
const IDLE_LATENCY_MAX_US: u64 = 10;
/// The kernel's default (drivers/cpuidle/governors/haltpoll.c).
const HALT_POLL_NS_MIN: u64 = 200_000;
/// Clocks that are read through a device or a hypercall, at a microsecond each.
const SLOW_CLOCKS: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "xen"];

const CPU: &str = "sys/devices/system/cpu/cpu";

/// How the clock frequency is chosen.
pub fn governor(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let governors: Vec<_> = facts.between(CPU, "/cpufreq/scaling_governor").collect();
    let matters = helps_if(goal.aim != Aim::General);
    if governors.is_empty() {
        let found = Some("none: the hypervisor or the firmware chooses".to_owned());
        return vec![finish_governor(Finding::judge("cpufreq governor", matters, found, Some(true)))];
    }
    let texts: Option<BTreeSet<&str>> = governors.iter().map(|(_, text)| text.filter(|text| is_word(text))).collect();
    let is_met = texts.as_ref().map(|texts| texts.iter().all(|text| *text == "performance"));
    let found = texts.map(|texts| texts.into_iter().collect::<Vec<_>>().join(", "));
    let old = found.clone().unwrap_or_default();
    let change =
        |cpu: &str| Change { file: format!("{CPU}{cpu}/cpufreq/scaling_governor"), value: "performance".into() };
    let changes =
        governors.iter().filter(|(_, text)| *text != Some("performance")).map(|(cpu, _)| change(cpu)).collect();
    let finding = finish_governor(Finding::judge("cpufreq governor", matters, found, is_met))
        .remedy("cpupower frequency-set -g performance", format!("cpupower frequency-set -g {old}"));
    vec![finding.changing(changes)]
}

fn finish_governor(finding: Finding) -> Finding {
    finding.wanted("performance").why(
        "Others raise the frequency when there was work for a while: a message that comes after a pause runs slowly.",
        "Documentation/admin-guide/pm/cpufreq.rst",
    )
}

/// Sleeps of a CPU that take long to wake from.
pub fn idle_states(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let matters = helps_if(goal.is_latency());
    let mut deepest = Some(0);
    let mut changes = Vec::new();
    for (state, latency) in facts.between(CPU, "/latency") {
        let disable = format!("{CPU}{state}/disable");
        match (latency.and_then(|text| text.parse::<u64>().ok()), facts.number(&disable)) {
            (Some(_), Some(1..)) => {}
            (Some(latency), Some(0)) => {
                deepest = deepest.map(|deepest: u64| deepest.max(latency));
                if latency > IDLE_LATENCY_MAX_US {
                    changes.push(Change { file: disable, value: "1".into() });
                }
            }
            _ => deepest = None,
        }
    }
    let found = deepest.map(|deepest| format!("the deepest takes {deepest} µs to leave"));
    let finding =
        Finding::judge("cpuidle states", matters, found, deepest.map(|deepest| deepest <= IDLE_LATENCY_MAX_US));
    vec![
        finding
            .wanted(format!("none above {IDLE_LATENCY_MAX_US} µs"))
            .why(
                "A shard sleeps when it has nothing to do (runtime.idle = \"park\"); waking a CPU from a deep state is added to the next message. \
                 It costs power, and on some CPUs the highest frequency of the others.",
                "Documentation/admin-guide/pm/cpuidle.rst",
            )
            .remedy("cpupower idle-set -D 10, or runtime.idle = \"busy\" in place of it", "cpupower idle-set -E")
            .changing(changes),
    ]
}

/// How long an idle CPU of a virtual machine polls before the hypervisor takes it; nothing where the governor is another.
pub fn halt_polling(facts: &Facts, _: &Goal) -> Vec<Finding> {
    const FILE: &str = "sys/module/haltpoll/parameters/guest_halt_poll_ns";
    if facts.text("sys/devices/system/cpu/cpuidle/current_governor") != Some("haltpoll") {
        return Vec::new();
    }
    let found = facts.number(FILE);
    let old = found.unwrap_or_default();
    let is_met = found.map(|found| found >= HALT_POLL_NS_MIN);
    vec![
        Finding::judge("guest_halt_poll_ns", Matters::Helps, found.map(|found| format!("{found} ns")), is_met)
            .wanted(format!("at least {HALT_POLL_NS_MIN} ns"))
            .why(
                "A CPU that is given back to the hypervisor is woken by it: with 0 every message pays for that. From 0 to the kernel's default \
                 of 200,000 the p50 went from 83 to 39 µs, and the CPU of a message from 27 to 12 µs (benches/record/2026-11-23-tuning.md). \
                 The host's CPU is busy meanwhile.",
                "Documentation/virt/guest-halt-polling.rst",
            )
            .remedy(format!("echo {HALT_POLL_NS_MIN} > /{FILE}"), format!("echo {old} > /{FILE}"))
            .changing(vec![Change { file: FILE.into(), value: HALT_POLL_NS_MIN.to_string() }]),
    ]
}

/// What the kernel reads the time from.
pub fn clock_source(facts: &Facts, _: &Goal) -> Vec<Finding> {
    const PLACE: &str = "sys/devices/system/clocksource/clocksource0";
    let current = facts.text(&format!("{PLACE}/current_clocksource")).filter(|text| is_word(text));
    let available = facts.text(&format!("{PLACE}/available_clocksource")).unwrap_or("");
    let is_met = current.map(|current| !SLOW_CLOCKS.contains(&current));
    let better = available.split_whitespace().find(|name| !SLOW_CLOCKS.contains(name)).unwrap_or("tsc");
    let old = current.unwrap_or_default();
    vec![
        Finding::judge("clocksource", Matters::Helps, current.map(str::to_owned), is_met)
            .wanted("one that is read without a system call (tsc, arch_sys_counter, kvm-clock)")
            .why(
                "Every turn of a shard reads the time. hpet and acpi_pm are devices; the kernel takes them if it trusts the CPU's counter not, \
                 and says why in its log.",
                "Documentation/admin-guide/kernel-parameters.txt, clocksource=",
            )
            .remedy(
                format!("echo {better} > /{PLACE}/current_clocksource, after dmesg | grep -i clocksource"),
                format!("echo {old} > /{PLACE}/current_clocksource"),
            ),
    ]
}

/// Transparent huge pages.
pub fn huge_pages(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    const FILE: &str = "sys/kernel/mm/transparent_hugepage/enabled";
    let text = facts.text(FILE);
    let chosen = text.and_then(|text| text.split_once('[')?.1.split_once(']')).map(|(chosen, _)| chosen);
    let is_met = chosen.map(|chosen| chosen != "always");
    let old = chosen.unwrap_or_default();
    let _ = goal;
    vec![
        Finding::judge("transparent_hugepage", Matters::Helps, chosen.map(str::to_owned), is_met)
            .wanted("madvise or never")
            .why(
                "With \"always\" the kernel takes 2 MiB where a page is touched: 14 MB more of a fresh process here, and no CPU won.",
                "Documentation/admin-guide/mm/transhuge.rst",
            )
            .remedy(format!("echo madvise > /{FILE}"), format!("echo {old} > /{FILE}"))
            .changing(vec![Change { file: FILE.into(), value: "madvise".into() }]),
    ]
}

/// Nodes of memory, and where the cards are.
pub fn numa_nodes(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let online = facts.text("sys/devices/system/node/online").map_or(Some(1), list_length);
    let cards: Vec<String> = facts
        .between("sys/class/net/", "/device/numa_node")
        .filter_map(|(card, node)| Some(format!("{card} at {}", node?.parse::<u64>().ok()?)))
        .collect();
    let found = online.map(|nodes| match cards.as_slice() {
        [] => format!("{nodes}"),
        cards => format!("{nodes}, {}", cards.join(", ")),
    });
    // Where shards are is the configuration's; with several nodes it has to be looked at.
    let matters = helps_if(goal.aim != Aim::General);
    vec![
        Finding::judge("NUMA nodes", matters, found, online.map(|nodes| nodes <= 1))
            .wanted("one, or shards on the CPUs of the card's node")
            .why(
                "A shard's memory is taken on its CPU's node. Packets that come in at another node cross over for each of their cache lines.",
                "Documentation/admin-guide/mm/numa_memory_policy.rst",
            )
            .remedy("runtime.cpus = [the CPUs in /sys/devices/system/node/nodeN/cpulist]", "runtime.cpus = \"auto\""),
    ]
}

/// Whether a file says one plain word.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}
