#!/usr/bin/env bash
# Builds the Debian package to target/debian, with the line tables in a package beside it. Installs cargo-deb to target/tools if there
# is none. With a path as argument, that release binary is packaged and nothing is compiled but cargo-deb.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=3.8.0
deb=$(command -v cargo-deb || true)
if [ -z "$deb" ]; then
    deb=target/tools/bin/cargo-deb
    if [[ "$("$deb" --version 2> /dev/null)" != *"$version" ]]; then
        cargo install --quiet --locked --version "$version" --root target/tools cargo-deb
    fi
fi

mkdir -p target/release target/package
if [ $# = 1 ]; then
    [ "$1" -ef target/release/ringmq ] || cp "$1" target/release/ringmq
else
    cargo build --locked --release --bin ringmq
fi

rm -rf target/package/man target/package/completions
released=$(sed -n '/^ -- /{s/.*>  //p;q}' packaging/debian/changelog)
target/release/ringmq generate man target/package/man --date "$(date -u +%F -d "$released")"
target/release/ringmq generate completions target/package/completions
packaging/third-party.sh | gzip -9n > target/package/third-party-licenses.txt.gz

# A package of a root directory must not depend on the umask of whoever builds it.
umask 022
"$deb" --locked --no-build --output target/debian/
ls -l target/debian/
