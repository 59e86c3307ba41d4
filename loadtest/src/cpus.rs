//! Which CPUs a process may run on (sched_setaffinity(2)).

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Restricts the calling thread, and the threads and processes it starts from now on, to a list such as `0-3,8`.
pub fn pin(list: &str) -> anyhow::Result<()> {
    let cpus = parse(list).with_context(|| format!("{list:?} is not a list of CPUs"))?;
    sched_setaffinity(None, &cpus).with_context(|| format!("cannot run on CPUs {list}"))
}

/// Runs `action` restricted to the CPUs of a list, and goes back to those from before.
pub fn pinned<T>(list: &str, action: impl FnOnce() -> T) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    pin(list)?;
    let result = action();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

/// How many CPUs a list such as `0-3,8` has; none where it is no list.
pub fn count(list: &str) -> usize {
    parse(list.trim()).map_or(0, |cpus| cpus.count() as usize)
}

fn parse(list: &str) -> anyhow::Result<CpuSet> {
    let mut cpus = CpuSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse()?, last.trim().parse()?);
        ensure!(first <= last && last < CpuSet::MAX_CPU, "no such range");
        (first..=last).for_each(|cpu| cpus.set(cpu));
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_are_read() {
        let cpus = parse("0-2,5").unwrap();
        let members: Vec<usize> = (0..8).filter(|&cpu| cpus.is_set(cpu)).collect();
        assert_eq!(members, [0, 1, 2, 5]);
        assert_eq!((count("0-2,5\n"), count("none")), (4, 0));
        for bad in ["", "a", "3-1", "1,", "99999"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
