#!/usr/bin/env bash
# Prints the notices of all libraries that are compiled into the binary: name, version, licence, source, and each licence text once.
# Needs the sources, which a build has fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
crates=$(cargo tree --locked --offline --package ringmq --edges normal --prefix none --format '{p}|{l}' |
    sed 's/ (\*)$//; s/ (proc-macro)//' | grep -v '^ringmq ' | sort -u)

echo "ringmq contains these libraries, all from https://crates.io/crates/NAME/VERSION, unchanged."
echo
while IFS='|' read -r crate licence; do
    printf '%-44s %s\n' "$crate" "$licence"
done <<< "$crates"

declare -A users paths
while IFS='|' read -r crate _; do
    directory=$(find "$registry" -maxdepth 2 -type d -name "${crate/ v/-}" -print -quit)
    [ -n "$directory" ] || { echo "the sources of $crate are not in $registry" >&2; exit 1; }
    while IFS= read -r -d '' text; do
        sum=$(sha256sum < "$text")
        paths[$sum]=$text
        users[$sum]="${users[$sum]:-}${users[$sum]:+, }$crate"
    done < <(find "$directory" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) -print0 | sort -z)
done <<< "$crates"

for sum in $(printf '%s\n' "${!users[@]}" | cut -d' ' -f1 | sort); do
    key="$sum  -"
    printf '\n%s\n%s\n\n' "--------------------------------------------------------------------------------" "${users[$key]}:" | fold -s -w 120
    cat "${paths[$key]}"
    echo
done
