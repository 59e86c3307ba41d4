#!/bin/sh
# Changes settings of the kernel until the next start of the machine, and keeps what was found, so that tuning/undo.sh (or
# `ringmq doctor --script=undo | sh`) can restore it. Made by `ringmq doctor --script`. Run it as root; it can be run again.
set -eu
root=${ROOT:-}
state=${STATE:-/var/lib/ringmq-tuning}
mkdir -p "$state"

# A setting as it is: of a list with one choice in brackets that choice.
found() {
    value=$(cat "$root/$1")
    case $value in
    *\[*\]*)
        value=${value#*\[}
        value=${value%%\]*}
        ;;
    esac
    printf '%s\n' "$value"
}

# change FILE VALUE
change() {
    if [ ! -e "$root/$1" ]; then
        echo "/$1 is not there, left out"
        return 0
    fi
    old=$(found "$1")
    if [ "$old" = "$2" ]; then
        echo "/$1 is $2 already"
        return 0
    fi
    kept=$state/$(printf '%s' "$1" | tr / %)
    if [ ! -e "$kept" ]; then printf '%s\n' "$old" > "$kept"; fi
    printf '%s\n' "$2" > "$root/$1"
    echo "/$1 is $2, it was $old"
}

# at_least FILE NUMBER, at_most FILE NUMBER, never_is FILE VALUE INSTEAD
at_least() { if [ ! -e "$root/$1" ] || [ "$(found "$1")" -lt "$2" ]; then change "$1" "$2"; else echo "/$1 is enough"; fi; }
at_most() { if [ ! -e "$root/$1" ] || [ "$(found "$1")" -gt "$2" ]; then change "$1" "$2"; else echo "/$1 is low enough"; fi; }
never_is() { if [ ! -e "$root/$1" ] || [ "$(found "$1")" = "$2" ]; then change "$1" "$3"; else echo "/$1 is good"; fi; }

larger() { if [ "$1" -gt "$2" ]; then echo "$1"; else echo "$2"; fi; }

# third_at_least FILE NUMBER FIRST SECOND THIRD: none of the three becomes less.
third_at_least() {
    file=$1 least=$2 first=$3 second=$4 third=$5
    if [ ! -e "$root/$file" ]; then change "$file" ""; return 0; fi
    # shellcheck disable=SC2046 # Three numbers are three words.
    set -- $(found "$file")
    if [ "$3" -ge "$least" ]; then echo "/$file is enough"; return 0; fi
    change "$file" "$(larger "$1" "$first") $(larger "$2" "$second") $(larger "$3" "$third")"
}
