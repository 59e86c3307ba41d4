#!/usr/bin/env bash
# Counts instructions and bytes and compares them with benches/gate.toml; `benches/gate.sh --bless` writes that file.
# Installs what it needs on a bare Debian with Rust, as root or with sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

missing=()
command -v cc > /dev/null || missing+=(build-essential)
command -v valgrind > /dev/null || missing+=(valgrind)
if [ ${#missing[@]} -gt 0 ]; then
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
# The profile that the broker is shipped with, so that what is counted is what runs; its dependencies are shared, too.
cargo build --locked --release -p ringmq-benches --bins
exec target/release/gate "$@"
