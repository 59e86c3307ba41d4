//! The store's log, cut at every byte of a small run: what was acknowledged before that byte was synced is there.

use crate::number;
use crate::oracle::Figures;
use crate::random::Random;
use crate::settings::{Durability, Scenario};
use crate::world::World;

/// Few clients and a short time; segments so small that there are several. Cleaning deletes what a cut would have to
/// bring back, so there is none.
fn scenario() -> Scenario {
    Scenario {
        clients: 3,
        lasting: 100,
        padding_max: 0,
        phases: 3,
        steps_per_phase: 200,
        breaks: 0,
        never_reads: 0,
        tight: false,
        verdicts: None,
        durability: Some(Durability {
            crashes: 0,
            faults: 0,
            only_the_process_dies: false,
            segment_size: 4096,
            cleans: false,
        }),
    }
}

/// A run in which much is promised that was not kept before.
const SEED: u64 = 491;

/// `RINGMQ_SIM_CUTS=100` cuts the logs of so many runs.
#[test]
fn at_every_byte() {
    let mut sum = Figures::default();
    for seed in SEED..SEED + number("RINGMQ_SIM_CUTS").max(1) {
        let mut world = World::with(Random::new(seed), 2, scenario());
        let writes = world.record_writes().unwrap_or_else(|found| panic!("seed {seed}: {found:?}"));
        for (number, write) in writes.iter().enumerate() {
            for cut in write.cuts() {
                let judged = write.crash_at(cut);
                sum.add(&judged.unwrap_or_else(|found| panic!("seed {seed}, write {number}, byte {cut}: {found}")));
            }
        }
        println!("seed {seed}: {} writes, {sum:?}", writes.len());
    }
    assert!(sum.required_over_crashes > 1000 && sum.retained > 1000, "hardly anything was promised: {sum:?}");
}
