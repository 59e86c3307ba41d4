//! Several shards, their sockets and their clients in one thread on one virtual clock, all from one seed.
//!
//! A run is random and exactly repeatable: shards take turns at random times, bytes arrive in random pieces, messages
//! between shards wait as long as they like, connections break. What the clients saw is then held against what they
//! asked for by an oracle that knows only the specification and the order of events.
//!
//! - `RINGMQ_SIM_SEED=17 cargo test --test simulation` repeats one seed (with `RINGMQ_SIM_SHARDS=2` at one shard count).
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

use oracle::Figures;
use world::{Finding, World};

const SHARD_COUNTS: [usize; 3] = [1, 2, 4];

/// Runs one seed and judges it; `scale` in percent shortens the run.
fn run(seed: u64, shards: usize, scale: usize) -> (World, Result<Figures, Finding>) {
    let mut world = World::new(seed, shards);
    let outcome = world.run(scale).and_then(|()| oracle::check(&world.history));
    (world, outcome)
}

/// Runs one seed; a finding is shortened if a shorter run shows one, too, and told in full.
fn judge(seed: u64, shards: usize) -> (u64, Figures) {
    let scale = if number("RINGMQ_SIM_SCALE") > 0 { number("RINGMQ_SIM_SCALE") as usize } else { 100 };
    let (world, outcome) = run(seed, shards, scale);
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

#[test]
fn survey() {
    let start = number("RINGMQ_SIM_START").max(1);
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings: std::collections::BTreeMap<String, Vec<(u64, usize, usize)>> = Default::default();
    let mut sum = Figures::default();
    for seed in start..start + number("RINGMQ_SIM_SURVEY") {
        let shards = SHARD_COUNTS[(seed % 3) as usize];
        for scale in [5, 20, 100] {
            let outcome = std::panic::catch_unwind(|| run(seed, shards, scale).1);
            let rule = match outcome {
                Ok(Ok(figures)) => {
                    sum.add(&figures);
                    continue;
                }
                Ok(Err(found)) => found.rule,
                Err(panic) => panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or(panic.downcast_ref::<&str>().map(|s| s.to_string()))
                    .unwrap_or_default(),
            };
            let rule: String = rule.chars().filter(|c| !c.is_ascii_digit()).take(70).collect();
            findings.entry(rule).or_default().push((seed, shards, scale));
            break;
        }
    }
    for (rule, seeds) in findings {
        println!("{:>5} {rule}: {:?}", seeds.len(), &seeds[..seeds.len().min(5)]);
    }
    println!("{sum:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let histories = [run(5, 2, 30), run(5, 2, 30)].map(|(world, _)| format!("{:?}", world.history.entries));
    assert!(histories[0] == histories[1], "two runs of one seed differ");
}
