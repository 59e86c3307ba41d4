//! The gate: counts instructions and bytes, and compares them with what `benches/gate.toml` expects.
//!
//! `gate` compares, `gate --bless` writes the file anew. Run it by `benches/gate.sh`, which builds it first.

mod allocator;
mod bytes;
mod expected;
mod instructions;
mod tools;

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use expected::Expected;

fn main() -> anyhow::Result<ExitCode> {
    let bless = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--bless" => true,
        _ => bail!("usage: gate [--bless]"),
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("gate.toml");
    let measured =
        Expected { made_with: tools::versions()?, bytes: bytes::measure(), instructions: instructions::count()? };
    if bless {
        measured.write(&path)?;
        println!("{} is written: say in the commit why its values have moved", path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let comparison = Expected::read(&path)?.compare(&measured);
    print!("{comparison}");
    Ok(if comparison.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
