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

# kernel.io_uring_disabled: RingMQ's sockets are io_uring's; 1 forbids it to all but root and kernel.io_uring_group, 2
# to all.
change proc/sys/kernel/io_uring_disabled 0

# fs.nr_open: No limit of open files (LimitNOFILE) can be above it, and each connection is a file.
at_least proc/sys/fs/nr_open 1003328

# fs.file-max: All open files of the machine; beyond it accept fails with ENFILE for all but root.
at_least proc/sys/fs/file-max 1100000

# fs.epoll.max_user_watches: Connections that have yet to say their first word are watched with epoll, and so are those
# of a crowd until they speak again; beyond it RingMQ closes them (no-room-to-wait).
at_least proc/sys/fs/epoll/max_user_watches 1000000

# net.ipv4.tcp_mem: Pages of all TCP buffers: low, pressure, maximum. A message on its way to each connection is a page
# for each; above the maximum the kernel drops what arrives.
third_at_least proc/sys/net/ipv4/tcp_mem 1000000 1000000 1500000 2000000

# net.core.somaxconn: Connections that the broker has not accepted yet (it asks for 65,535); what comes when the queue
# is full is dropped, and tried again by the client a second later. It is read when a listener opens: restart the
# broker.
at_least proc/sys/net/core/somaxconn 4096

# net.ipv4.tcp_syncookies: Without it, SYNs beyond three quarters of tcp_max_syn_backlog are dropped.
never_is proc/sys/net/ipv4/tcp_syncookies 0 1

# net.ipv4.tcp_rmem: The third is the most that a connection's receive buffer grows to: bytes on their way from one fast
# and far client. Idle connections use nothing of it.
third_at_least proc/sys/net/ipv4/tcp_rmem 4194304 4096 131072 6291456

# net.ipv4.tcp_wmem: The third is the most that a connection's send buffer grows to, and so what a client that does not
# read may cost the kernel.
third_at_least proc/sys/net/ipv4/tcp_wmem 4194304 4096 16384 4194304

# net.ipv4.tcp_slow_start_after_idle: With 1 a connection that was quiet for a retransmission time-out sends a large
# message in several round trips again. Messages of less than ten segments (14 KB) are not touched.
change proc/sys/net/ipv4/tcp_slow_start_after_idle 0

# net.netfilter.nf_conntrack_max: Connections that the firewall remembers; new ones beyond it are dropped. Better still
# are rules that do not track the broker's port (notrack).
at_least proc/sys/net/netfilter/nf_conntrack_max 1100000

# kernel.threads-max: RingMQ has a thread for each shard and a dozen more, however many clients there are.
at_least proc/sys/kernel/threads-max 192

# vm.overcommit_memory: 2 refuses address space that is reserved and not used; the allocator reserves much more than it
# uses.
never_is proc/sys/vm/overcommit_memory 2 0

# transparent_hugepage: with "always" the kernel takes 2 MiB where a page is touched.
never_is sys/kernel/mm/transparent_hugepage/enabled always madvise
