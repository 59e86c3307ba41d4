#!/usr/bin/env bash
# Checks the dependencies by deny.toml: licences, bans and sources always, security advisories where their database can be
# fetched. The last line says what was checked. Installs cargo-deny to target/tools if there is none.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    deny=target/tools/bin/cargo-deny
    if [ "$("$deny" --version 2> /dev/null)" != "cargo-deny $version" ]; then
        # Without optimization: it runs for a second, and takes minutes to optimize.
        cargo install --quiet --locked --debug --no-default-features --version "$version" --root target/tools cargo-deny
    fi
fi

# Also those of other systems, which no build here has downloaded: their licences count, too.
cargo fetch --quiet --locked
"$deny" --offline check licenses bans sources
# The database is a git repository elsewhere. Where it cannot be reached, that is no fault of a change.
if command -v git > /dev/null && timeout 120 "$deny" fetch db 2> /dev/null; then
    "$deny" --offline check advisories
    echo "licences, bans, sources and advisories: passed"
else
    echo "licences, bans and sources: passed; advisories NOT CHECKED: their database cannot be fetched"
fi
