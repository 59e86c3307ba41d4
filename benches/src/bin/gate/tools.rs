//! What the values depend on beside the source.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, ensure};

/// Compiler, valgrind, C library and what they make of the processor. The library's functions for copying differ
/// with both.
pub fn versions() -> anyhow::Result<BTreeMap<String, String>> {
    let avx2 = if has_avx2() { "with AVX2" } else { "without AVX2" };
    Ok(BTreeMap::from([
        ("rustc".to_owned(), first_line("rustc", "--version")?),
        ("valgrind".to_owned(), first_line("valgrind", "--version")?),
        ("libc".to_owned(), first_line("getconf", "GNU_LIBC_VERSION")?),
        ("processor".to_owned(), format!("{}, {avx2}", std::env::consts::ARCH)),
    ]))
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

fn first_line(program: &str, argument: &str) -> anyhow::Result<String> {
    let output = Command::new(program).arg(argument).output().with_context(|| format!("{program} cannot be run"))?;
    ensure!(output.status.success(), "{program} {argument} fails: {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().trim().to_owned())
}
