#!/bin/sh
# Restores the settings of the kernel that tuning/apply.sh, or a script of `ringmq doctor --script`, has changed. Run it as root.
set -eu
root=${ROOT:-}
state=${STATE:-/var/lib/ringmq-tuning}
if [ ! -d "$state" ]; then
    echo "nothing is kept in $state: nothing was changed, or it is undone already"
    exit 0
fi
for kept in "$state"/*; do
    [ -e "$kept" ] || continue
    file=/$(basename "$kept" | tr % /)
    value=$(cat "$kept")
    # What is not there any more, or refuses, stays kept, and does not stop the others.
    if printf '%s\n' "$value" > "$root$file"; then
        rm "$kept"
        echo "$file is $value again"
    else
        echo "$file could not be restored to $value" >&2
    fi
done
rmdir "$state"
