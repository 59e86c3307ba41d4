//! Instructions of each step, counted by valgrind's callgrind.
//!
//! The time of a step depends on the machine and on what else it does; its instructions do not. Each step runs twice, with
//! different rounds, and the difference is what the additional rounds take. So nothing in the program has to say where
//! to begin and where to stop counting.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, ensure};
use ringmq_benches::steps::{STEPS, Step};

/// Rounds of the two runs. The first is large enough for what grows to have grown.
const ROUNDS: (u32, u32) = (100, 600);

/// The values by name.
pub fn count() -> anyhow::Result<BTreeMap<String, f64>> {
    let program = std::env::current_exe()?.with_file_name("instructions");
    ensure!(program.exists(), "{} is not built: run benches/gate.sh", program.display());
    let left = Mutex::new(STEPS.iter());
    let next = || left.lock().ok()?.next();
    let work = || -> anyhow::Result<Vec<(String, f64)>> {
        std::iter::from_fn(next).map(|step| Ok((step.name.to_owned(), count_step(&program, step)?))).collect()
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut values = BTreeMap::new();
        for worker in workers {
            values.extend(worker.join().expect("a worker does not panic")?);
        }
        Ok(values)
    })
}

/// Instructions for one of what the step counts.
fn count_step(program: &Path, step: &Step) -> anyhow::Result<f64> {
    // Steps of many each need no more rounds than they have to be warm.
    let (few, many) = if step.per_round < 1_000 { ROUNDS } else { (ROUNDS.0 / 20, ROUNDS.1 / 20) };
    let count = |rounds| run(program, step.name, rounds).with_context(|| format!("step {}", step.name));
    let instructions = count(many)?.checked_sub(count(few)?).context("more rounds took fewer instructions")?;
    Ok(instructions as f64 / f64::from((many - few) * step.per_round))
}

/// Instructions of one run, from start to end.
fn run(program: &Path, step: &str, rounds: u32) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([step, &rounds.to_string()])
        // The environment is a part of the stack. And mimalloc gives memory back by the clock, if it is let.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("MIMALLOC_PURGE_DELAY", "-1")
        .output()
        .context("valgrind cannot be run: apt install valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind says:\n{report}");
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, collected) =
        collected.with_context(|| format!("valgrind does not say what it has collected:\n{report}"))?;
    collected.trim().parse().with_context(|| format!("valgrind has collected {collected:?}"))
}
