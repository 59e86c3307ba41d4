//! Does one step so many times: `instructions STEP ROUNDS`. The gate runs it under valgrind.

use anyhow::{Context, bail};
use ringmq_benches::steps::STEPS;

/// What the broker has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, rounds] = arguments.as_slice() else { bail!("usage: instructions STEP ROUNDS") };
    let step = STEPS.iter().find(|step| step.name == name).with_context(|| format!("there is no step {name:?}"))?;
    (step.run)(rounds.parse().with_context(|| format!("ROUNDS is a number, not {rounds:?}"))?);
    Ok(())
}
