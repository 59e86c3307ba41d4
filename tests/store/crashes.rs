//! Random operations, faults and crashes. `STORE_SEEDS=from..to` runs other seeds.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::world::{Faults, World};

const SEEDS: Range<u64> = 0..600;

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("STORE_SEEDS") else { return SEEDS };
    let (from, to) = text.split_once("..").expect("STORE_SEEDS is like 0..1000");
    from.parse().expect("a seed")..to.parse().expect("a seed")
}

fn run_all(run: impl Fn(u64)) {
    for seed in seeds() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(seed))) {
            eprintln!("seed {seed}: repeat with STORE_SEEDS={seed}..{}", seed + 1);
            resume_unwind(panic);
        }
    }
}

#[test]
fn what_was_reported_holds_after_any_crash() {
    run_all(|seed| {
        let mut world = World::new(seed);
        world.run(400, Faults { crash: 1, disk: 0 });
        world.settle();
        world.crash();
    });
}

#[test]
fn faults_of_the_disk_lose_nothing() {
    run_all(|seed| {
        let mut world = World::new(seed ^ 0x5eed_0000);
        world.run(400, Faults { crash: 1, disk: 5 });
        world.settle();
        world.crash();
    });
}
