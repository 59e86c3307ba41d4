//! Network cards: queues, interrupts, and steering of packets in software.

use std::collections::{BTreeMap, BTreeSet};

use super::Facts;
use super::facts::list_ranges;
use super::finding::{Change, Finding, Matters};
use super::goal::Goal;
use super::sysctls::helps_if;

const SCALING: &str = "Documentation/networking/scaling.rst";

/// Packets that the kernel dropped since the machine started, because a CPU's backlog was full.
pub fn dropped(facts: &Facts, _: &Goal) -> Vec<Finding> {
    let column = |number: usize| {
        let lines = facts.text("proc/net/softnet_stat")?.lines();
        let hexadecimal = |line: &str| u64::from_str_radix(line.split_ascii_whitespace().nth(number)?, 16).ok();
        lines.map(hexadecimal).try_fold(0u64, |sum, value| Some(sum.saturating_add(value?)))
    };
    let (dropped, squeezed) = (column(1), column(2));
    let found = dropped.zip(squeezed).map(|(dropped, squeezed)| format!("{dropped} dropped, {squeezed} out of time"));
    let is_met = dropped.map(|dropped| dropped == 0);
    let backlog = facts.number("proc/sys/net/core/netdev_max_backlog").unwrap_or(1_000);
    let twice = backlog.saturating_mul(2);
    vec![
        Finding::judge("net.core.netdev_max_backlog", Matters::Helps, found, is_met)
            .wanted("no drops in /proc/net/softnet_stat")
            .why(
                "A CPU's queue for packets from RPS, loopback and veth. A larger one helps only if it was ever full; cards with NAPI do not go \
                 through it. What ran out of time (net.core.netdev_budget) came a little later and was not lost.",
                "Documentation/admin-guide/sysctl/net.rst",
            )
            .remedy(
                format!("sysctl -w net.core.netdev_max_backlog={twice}"),
                format!("sysctl -w net.core.netdev_max_backlog={backlog}"),
            )
            .changing(vec![Change { file: "proc/sys/net/core/netdev_max_backlog".into(), value: twice.to_string() }]),
    ]
}

/// For each card: queues with their interrupts, RPS, its node, and what only ethtool can tell.
pub fn cards(facts: &Facts, goal: &Goal) -> Vec<Finding> {
    let mut cards = BTreeMap::<&str, usize>::new();
    for (middle, _) in facts.between("sys/class/net/", "/rps_cpus") {
        let Some((card, _)) = middle.split_once("/queues/rx-") else { continue };
        // Loopback and bridges have queues, and no hardware behind them.
        if !matches!(facts.reading(&format!("sys/class/net/{card}/device/uevent")), super::Reading::Absent) {
            *cards.entry(card).or_default() += 1;
        }
    }
    cards.into_iter().flat_map(|(card, queues)| of_card(facts, goal, card, queues)).collect()
}

fn of_card(facts: &Facts, goal: &Goal, card: &str, queues: usize) -> Vec<Finding> {
    let cpus = facts.cpus();
    let mut findings = Vec::new();
    findings.push(steering(facts, goal, card, queues, cpus));
    findings.extend(interrupts(facts, goal, card));
    findings.push(
        Finding::judge(format!("{card} RFS"), Matters::No, facts.text("proc/sys/net/core/rps_sock_flow_entries").map(str::to_owned), Some(true))
            .wanted("anything")
            .why(
                "rps_sock_flow_entries and rps_flow_cnt send a packet to the CPU whose thread reads that connection. It costs a look-up for each \
                 packet and a wake-up of another CPU; where each queue's interrupt is on a shard's CPU it has nothing to win.",
                SCALING,
            ),
    );
    findings.push(
        Finding::judge(format!("{card} offloads"), helps_if(goal.is_throughput()), None, None)
            .wanted("TSO and GRO on, rings at their size where rx drops are counted")
            .why("Only the driver tells: ethtool -k, -g, -c and -S (drops), none of which is a file.", "ethtool(8)"),
    );
    findings
}

/// RPS, where the card has fewer queues than there are shards.
fn steering(facts: &Facts, goal: &Goal, card: &str, queues: usize, cpus: u64) -> Finding {
    let start = format!("sys/class/net/{card}/queues/rx-");
    let masks: Vec<(String, Option<&str>)> =
        facts.between(&start, "/rps_cpus").map(|(queue, mask)| (queue.to_owned(), mask)).collect();
    let is_on = |mask: &str| mask.bytes().any(|byte| byte != b'0' && byte != b',');
    let all_on = masks.iter().map(|(_, mask)| mask.map(is_on)).try_fold(true, |all, on| Some(all && on?));
    let has_queues = queues as u64 >= cpus;
    let found =
        all_on.map(|on| format!("{queues} receive queues for {cpus} CPUs, RPS {}", if on { "on" } else { "off" }));
    let finding = Finding::judge(
        format!("{card} queues"),
        helps_if(goal.is_throughput() && cpus > 1),
        found,
        all_on.map(|on| has_queues || on),
    )
    .wanted("a receive queue for each shard, or RPS on")
    .why(
        "One queue is one CPU for all that comes in. RPS hands packets on to others, at the price of an interrupt between CPUs for each \
         batch: only for machines whose one CPU is full with receiving (%soft in mpstat). On loopback it makes a message dearer.",
        SCALING,
    );
    let Some(mask) = mask_of(cpus) else { return finding };
    let files: Vec<String> =
        masks.iter().map(|(queue, _)| format!("sys/class/net/{card}/queues/rx-{queue}/rps_cpus")).collect();
    let first = files.first().cloned().unwrap_or_default();
    finding
        .remedy(format!("ethtool -L {card} combined {cpus}; or echo {mask} > /{first}"), format!("echo 0 > /{first}"))
        .changing(files.into_iter().map(|file| Change { file, value: mask.clone() }).collect())
}

/// Whether the interrupts of a card with several of them are on several CPUs.
fn interrupts(facts: &Facts, goal: &Goal, card: &str) -> Option<Finding> {
    let device = format!("sys/class/net/{card}/device/");
    let own =
        facts.between(&device, "").filter_map(|(path, _)| path.rsplit_once("msi_irqs/").map(|(_, number)| number));
    let numbers: BTreeSet<&str> = own.collect();
    if numbers.len() < 2 || facts.cpus() < 2 {
        return None;
    }
    let lists: Vec<Option<&str>> =
        numbers.iter().map(|number| facts.text(&format!("proc/irq/{number}/smp_affinity_list"))).collect();
    let readable: Option<Vec<&str>> = lists.into_iter().collect();
    let ranges: Option<Vec<_>> =
        readable.as_ref().and_then(|lists| lists.iter().map(|list| list_ranges(list)).collect());
    let single = ranges.map(|ranges| {
        let first = ranges.first().cloned().unwrap_or_default();
        first.len() == 1
            && first.iter().all(|(first, last)| first == last)
            && ranges.iter().all(|other| *other == first)
    });
    let distinct: Option<BTreeSet<&str>> = readable.map(|lists| lists.into_iter().collect());
    let found = distinct.map(|lists| {
        format!("{} interrupts on CPUs {}", numbers.len(), lists.into_iter().collect::<Vec<_>>().join(" and "))
    });
    let finding = Finding::judge(
        format!("{card} interrupts"),
        helps_if(goal.is_throughput() || goal.is_latency()),
        found,
        single.map(|single| !single),
    );
    Some(
        finding
            .wanted("not all of them on one CPU")
            .why(
                "What handles a packet's interrupt also takes it through TCP; on the CPU of the shard that reads it nothing has to move.",
                "Documentation/core-api/irq/irq-affinity.rst",
            )
            .remedy(format!("tuning/irq-affinity.sh {card}"), "tuning/irq-affinity.sh --undo"),
    )
}

/// The mask of the first CPUs in the kernel's form: words of 32 bits with commas.
fn mask_of(cpus: u64) -> Option<String> {
    let words = usize::try_from(cpus.div_ceil(32)).ok().filter(|words| (1..=256).contains(words))?;
    let top = match cpus % 32 {
        0 => u32::MAX,
        rest => (1u32 << rest) - 1,
    };
    let mut mask = format!("{top:x}");
    for _ in 1..words {
        mask.push_str(",ffffffff");
    }
    Some(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_the_kernels() {
        let masks = [1, 2, 8, 32, 33, 64].map(|cpus| mask_of(cpus).unwrap());
        assert_eq!(masks, ["1", "3", "ff", "ffffffff", "1,ffffffff", "ffffffff,ffffffff"]);
        assert_eq!(mask_of(u64::MAX), None);
    }
}
