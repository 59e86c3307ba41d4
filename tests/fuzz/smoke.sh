#!/bin/sh
# Runs every fuzz target for a short time: tests/fuzz/smoke.sh [seconds for each target, default 20]
# Takes the nightly toolchain if there is one, otherwise the default one with RUSTC_BOOTSTRAP=1: the sanitizer's flags
# are unstable.
set -eu
cd "$(dirname "$0")"
seconds=${1:-20}

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked

if cargo +nightly --version >/dev/null 2>&1; then
    fuzz() { cargo +nightly fuzz "$@"; }
else
    fuzz() { RUSTC_BOOTSTRAP=1 cargo fuzz "$@"; }
fi

for target in $(fuzz list --fuzz-dir .); do
    echo "== $target, $seconds s"
    fuzz run --fuzz-dir . "$target" -- -max_total_time="$seconds" -max_len=1024 -timeout=5 -print_final_stats=1
done
