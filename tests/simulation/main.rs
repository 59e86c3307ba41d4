//! Several shards, their sockets and their clients in one thread on one virtual clock, all from one seed.
//!
//! A run is random and exactly repeatable: shards take turns at random times, bytes arrive in random pieces, messages
//! between shards wait as long as they like, connections break. What the clients saw is then held against what they
//! asked for by an oracle that knows only the specification and the order of events.
//!
//! Half of the runs have a store behind their shards, on a disk in memory. The broker crashes at random moments, also within a
//! write and while it recovers, and starts again from what the disk has kept, with any number of shards; or the disk is full or
//! fails for a while. Whoever was told something is then told the same again.
//!
//! - `RINGMQ_SIM_SEED=17 cargo test --test simulation` repeats one seed (with `RINGMQ_SIM_SHARDS=2` at one shard count).
//! - `RINGMQ_SIM_SURVEY=1000 cargo test --test simulation survey -- --nocapture` lists which rules so many seeds break.
//! - `RINGMQ_SIM_SEEDS=10000 RINGMQ_SIM_START=1 cargo test --release --test simulation -- fresh --nocapture` runs fresh ones.

mod client;
mod cut;
#[path = "../store/fake_disk.rs"]
#[expect(dead_code, reason = "the tests of the store look closer at the disk")]
mod fake_disk;
mod history;
mod link;
mod mutations;
mod node;
mod operations;
mod oracle;
mod random;
mod settings;
mod storage;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use oracle::Figures;
use world::{Finding, World};

const SHARD_COUNTS: [usize; 3] = [1, 2, 4];

/// Tells which run it was that panicked.
struct Running {
    seed: u64,
    shards: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("a panic in seed {}, {} shards", self.seed, self.shards);
        }
    }
}

/// Runs one seed and judges it; `scale` in percent shortens the run.
fn run(seed: u64, shards: usize, scale: usize) -> (World, Result<Figures, Finding>) {
    let _running = Running { seed, shards };
    let mut world = World::new(seed, shards);
    let outcome = world.run(scale).and_then(|()| oracle::check(&world.history));
    (world, outcome)
}

/// Runs one seed; a finding is shortened if a shorter run shows one, too, and told in full.
fn judge(seed: u64, shards: usize) -> (u64, Figures) {
    let (world, outcome) = run(seed, shards, 100);
    match outcome {
        Ok(figures) => (world.history.step, figures),
        Err(found) => {
            let shorter = [2, 5, 10, 20, 40, 70].into_iter().find_map(|scale| match run(seed, shards, scale) {
                (world, Err(found)) => Some((scale, world, found)),
                _ => None,
            });
            let (scale, world, found) = shorter.unwrap_or((100, world, found));
            panic!("{}", report(seed, shards, scale, &world, &found));
        }
    }
}

fn report(seed: u64, shards: usize, scale: usize, world: &World, found: &Finding) -> String {
    let Finding { rule, client, key } = found;
    let length = if number("RINGMQ_SIM_TAIL") > 0 { number("RINGMQ_SIM_TAIL") as usize } else { 60 };
    let tail = world.history.tail(*client, *key, length);
    format!(
        "seed {seed}, {shards} shards, scale {scale} %, step {step}, client c{client}, message {key:?}:\n{rule}\n{tail}\n{temper}\n\
         rerun: RINGMQ_SIM_SEED={seed} RINGMQ_SIM_SHARDS={shards} cargo test --test simulation seeds",
        step = world.history.step,
        temper = world.temper(),
    )
}

fn number(name: &str) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[test]
fn seeds() {
    let only = number("RINGMQ_SIM_SEED");
    let shards_only = number("RINGMQ_SIM_SHARDS") as usize;
    let seeds = if only > 0 { only..only + 1 } else { 1..61 };
    for seed in seeds {
        for shards in SHARD_COUNTS {
            if shards_only == 0 || shards_only == shards {
                judge(seed, shards);
            }
        }
    }
}

/// As many fresh seeds as the environment asks for, none without it.
#[test]
fn fresh() {
    let start = number("RINGMQ_SIM_START").max(1000);
    let mut steps = 0;
    let mut sum = Figures::default();
    for seed in start..start + number("RINGMQ_SIM_SEEDS") {
        let shards = SHARD_COUNTS[(seed % 3) as usize];
        let (more, figures) = judge(seed, shards);
        steps += more;
        sum.add(&figures);
        if seed % 500 == 0 {
            println!("up to seed {seed}: {steps} steps, {sum:?}");
        }
    }
    println!("{steps} steps, {sum:?}");
}

/// Runs as many seeds as the environment asks for to their ends, and lists what was found by the rules that were broken.
#[test]
fn survey() {
    let start = number("RINGMQ_SIM_START").max(1);
    let mut findings: BTreeMap<String, Vec<(u64, usize)>> = BTreeMap::new();
    let mut sum = Figures::default();
    for seed in start..start + number("RINGMQ_SIM_SURVEY") {
        let shards = SHARD_COUNTS[(seed % 3) as usize];
        let rule = match catch_unwind(|| run(seed, shards, 100).1) {
            Ok(Ok(figures)) => {
                sum.add(&figures);
                continue;
            }
            Ok(Err(found)) => found.rule,
            Err(_) => "a panic".into(),
        };
        let rule = rule.chars().filter(|character| !character.is_ascii_digit()).take(80).collect();
        findings.entry(rule).or_default().push((seed, shards));
    }
    for (rule, seeds) in &findings {
        println!("{}: {rule}: seeds and shards {:?}", seeds.len(), &seeds[..seeds.len().min(8)]);
    }
    println!("{sum:?}");
    assert!(findings.is_empty(), "{} rules were broken", findings.len());
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut crashes = 0;
    for seed in 1..=6 {
        let histories = [run(seed, 2, 30), run(seed, 2, 30)].map(|(world, _)| format!("{:?}", world.history.entries));
        assert!(histories[0] == histories[1], "two runs of seed {seed} differ");
        crashes += histories[0].matches("what: Crashed").count();
    }
    assert!(crashes > 0, "no run has crashes");
}
