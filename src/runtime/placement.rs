//! How many shards, and on which CPUs.

use super::{ShardCount, StartError};
use crate::limits;

/// The CPU of each shard; `None` leaves the choice to the kernel.
pub type Placement = Vec<Option<usize>>;

/// Decides the placement. Without a list of CPUs each shard is pinned to one of those that this process may use, and
/// nothing is pinned when there are fewer of them than shards.
pub fn place(shards: ShardCount, cpus: Option<&[usize]>) -> Result<Placement, StartError> {
    let allowed = allowed_cpus();
    if let Some(cpus) = cpus {
        if let Some(&cpu) = cpus.iter().find(|cpu| !allowed.contains(cpu)) {
            let allowed = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(StartError::Cpu { cpu, allowed });
        }
        let count = match shards {
            ShardCount::Auto => cpus.len(),
            ShardCount::Exactly(count) => count,
        };
        check_count(count)?;
        return match cpus.get(..count) {
            Some(cpus) => Ok(cpus.iter().copied().map(Some).collect()),
            None => Err(StartError::CpuCount { shards: count, cpus: cpus.len() }),
        };
    }
    let count = match shards {
        // It also knows the quota of a control group, which the affinity does not.
        ShardCount::Auto => std::thread::available_parallelism().map_or(1, usize::from).min(limits::SHARDS_MAX),
        ShardCount::Exactly(count) => count,
    };
    check_count(count)?;
    if count > allowed.len() {
        return Ok(vec![None; count]);
    }
    Ok(allowed.into_iter().take(count).map(Some).collect())
}

fn check_count(count: usize) -> Result<(), StartError> {
    if (1..=limits::SHARDS_MAX).contains(&count) { Ok(()) } else { Err(StartError::ShardCount(count)) }
}

fn allowed_cpus() -> Vec<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect(),
        // More CPUs than the set holds.
        Err(_) => (0..std::thread::available_parallelism().map_or(1, usize::from)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_shards_than_cpus_are_not_pinned() {
        let placement = place(ShardCount::Exactly(limits::SHARDS_MAX), None).unwrap();
        assert_eq!(placement.len(), limits::SHARDS_MAX);
    }

    #[test]
    fn mistakes_are_named() {
        let first = allowed_cpus()[0];
        assert!(matches!(place(ShardCount::Exactly(0), None), Err(StartError::ShardCount(0))));
        assert!(matches!(place(ShardCount::Exactly(limits::SHARDS_MAX + 1), None), Err(StartError::ShardCount(_))));
        assert!(matches!(place(ShardCount::Auto, Some(&[9_999])), Err(StartError::Cpu { cpu: 9_999, .. })));
        let too_few = place(ShardCount::Exactly(2), Some(&[first]));
        assert!(matches!(too_few, Err(StartError::CpuCount { shards: 2, cpus: 1 })));
        assert_eq!(place(ShardCount::Auto, Some(&[first])).unwrap(), [Some(first)]);
    }
}
