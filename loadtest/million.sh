#!/bin/sh
# A million connections into one RingMQ process, both ends on this machine: million.sh [CONNECTIONS]
#
# Each connection subscribes to a topic of its own, is pinged once and gets one message. What is printed: time, CPU, the
# broker's memory, the kernel's memory, and every fault. First the limits of this machine are checked; what is too low is
# named with the command that raises it.
#
#   PORT=1883       port of the broker
#   SHARDS=N        threads of the broker (default: one for each CPU)
#   PROCESSES=N     processes that hold the clients (default: as many as the limit of open files asks for)
#   RINGMQ=PATH  RINGMQ_LOAD=PATH    the two programs (default: target/release, then $PATH)
#   JSON=FILE       also write the results there
#   QUICK=1         check the limits and end
set -eu

connections=${1:-1000000}
port=${PORT:-1883}
here=$(cd "$(dirname "$0")" && pwd)
find_program() { # find_program NAME: the one that was built here, or the one that is installed
	if [ -x "$here/../target/release/$1" ]; then echo "$here/../target/release/$1"; else command -v "$1" || true; fi
}
ringmq=${RINGMQ:-$(find_program ringmq)}
load=${RINGMQ_LOAD:-$(find_program ringmq-load)}

# ---- limits

missing=0
missing() { # missing WHAT HAVE NEED COMMAND
	missing=$((missing + 1))
	echo "too low: $1 is $2 and should be at least $3:" >&2
	echo "    $4" >&2
}
sysctl_at_least() { # sysctl_at_least KEY NEED
	value=$(cat "/proc/sys/$(echo "$1" | tr . /)" 2>/dev/null || echo 0)
	[ "$value" -ge "$2" ] || missing "$1" "$value" "$2" "sysctl -w $1=$2"
}

for program in "$ringmq" "$load"; do
	[ -n "$program" ] || { echo "ringmq and ringmq-load are needed: cargo build --release --workspace" >&2; exit 1; }
done

# The broker holds all connections in one process; 256 descriptors are for itself.
need=$((connections + 256 + 24 * $(nproc)))
hard=$(ulimit -H -n)
[ "$hard" = unlimited ] || [ "$hard" -ge "$need" ] || {
	sysctl_at_least fs.nr_open "$need"
	missing "the hard limit of open files (ulimit -H -n)" "$hard" "$need" "as root: ulimit -n $need   (for a service: LimitNOFILE=$need)"
}
# Programs raise their soft limit to the hard one themselves.
# Both ends, and what else runs.
sysctl_at_least fs.file-max $((2 * connections + 100000))
# Clients come from 127.0.0.1 and following, at most 19,000 from each: beyond that the kernel searches long for a port.
low=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)
high=$(cut -f2 /proc/sys/net/ipv4/ip_local_port_range)
[ $((high - low)) -ge 20000 ] ||
	missing net.ipv4.ip_local_port_range "$low $high" "20,000 ports" 'sysctl -w net.ipv4.ip_local_port_range="1024 65535"'
# Connections that the broker has not accepted yet.
sysctl_at_least net.core.somaxconn 4096
# Pages of all TCP sockets together, above which the kernel drops what arrives: a page for each end, in the worst case.
tcp_pages=$(cut -f3 /proc/sys/net/ipv4/tcp_mem)
[ "$tcp_pages" -ge $((2 * connections)) ] || missing "net.ipv4.tcp_mem (third value)" "$tcp_pages" $((2 * connections)) \
	"sysctl -w net.ipv4.tcp_mem=\"$((2 * connections)) $((3 * connections)) $((4 * connections))\""
# Two ends of 4.5 KiB each in the kernel, 1 KiB in the two programs; in MiB.
need=$((connections * 10 / 1024 + 256))
have=$(($(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024))
[ "$have" -ge "$need" ] || missing "free memory" "$have MiB" "$need MiB" "$0 $((have * 100)) fits"
[ "$missing" = 0 ] || { echo "$missing limits are too low for $connections connections." >&2; exit 1; }
if [ -n "${QUICK:-}" ]; then
	echo "This machine's limits allow $connections connections."
	exit 0
fi

# ---- run

[ "$hard" = unlimited ] && hard=1048576
processes=${PROCESSES:-$((connections / (hard - 64) + 1))}
# One address for each 19,000 connections.
addresses=$((connections / 19000 + 1))
json=${JSON:-$(mktemp)}
log=$(mktemp)
broker=
end() {
	if [ -n "$broker" ]; then
		kill "$broker" 2>/dev/null || true
		wait "$broker" 2>/dev/null || true
	fi
	rm -f "$log"
	[ -n "${JSON:-}" ] || rm -f "$json"
}
trap end EXIT
trap 'exit 1' INT TERM

kernel_kib() { # memory of the kernel: slabs, page tables, and pages of sockets
	slab=$(sed -n 's/^Slab: *\([0-9]*\).*/\1/p' /proc/meminfo)
	tables=$(sed -n 's/^PageTables: *\([0-9]*\).*/\1/p' /proc/meminfo)
	pages=$(sed -n 's/^TCP:.* mem \([0-9]*\).*/\1/p' /proc/net/sockstat)
	echo $((slab + tables + pages * 4))
}

before=$(kernel_kib)
"$ringmq" serve --listen "tcp://127.0.0.1:$port" --no-persistence --shards "${SHARDS:-auto}" --log warn >"$log" 2>&1 &
broker=$!
sleep 1
kill -0 "$broker" 2>/dev/null || { cat "$log" >&2; exit 1; }
# While all connections are open, the kernel's memory is at its highest.
peak=$(mktemp)
echo "$before" >"$peak"
(
	while kill -0 "$broker" 2>/dev/null; do
		now=$(kernel_kib)
		[ "$now" -le "$(cat "$peak")" ] || echo "$now" >"$peak"
		sleep 2
	done
) &
watcher=$!

began=$(date +%s)
passed=0
"$load" idle --connections "$connections" --processes "$processes" --source-addresses "$addresses" --subscribe \
	--ping-once --deliver --keep-alive 3600 --patience 60 --host 127.0.0.1 --port "$port" --broker-pid "$broker" \
	--json "$json" || passed=1
took=$(($(date +%s) - began))
kill "$watcher" 2>/dev/null || true
wait "$watcher" 2>/dev/null || true
kernel=$(($(cat "$peak") - before))
rm -f "$peak"
sed 's/^/broker: /' "$log"

# ---- summary

figure() { # figure KEY [AFTER]: a number of the results; the first one after the line with AFTER
	sed -n "/\"${2:-scenario}\"/,\$p" "$json" | sed -n "s/^ *\"$1\": *\([0-9.eE+-]*\),\{0,1\}\$/\1/p" | head -n 1
}
gib() { awk "BEGIN { printf \"%.3f GiB\", $1 / 1073741824 }"; }
row() { printf '| %-44s | %22s |\n' "$1" "$2"; }
[ -s "$json" ] || exit 1
echo
row "$(uname -sr), $(nproc) CPU" "$("$ringmq" --version)"
row "connections, a subscription each" "$connections"
row "processes of clients" "$processes"
row "broker RSS before" "$(gib "$(figure rss_bytes_before)")"
row "broker RSS, all connected" "$(gib "$(figure rss_bytes)")"
row "broker RSS after pings and messages" "$(gib "$(figure rss_bytes_after)")"
row "broker bytes per connection" "$(printf %.0f "$(figure bytes_per_connection)")"
row "kernel memory, both ends" "$(gib $((kernel * 1024)))"
row "kernel bytes per connection, both ends" $((kernel * 1024 / connections))
row "connects per second" "$(printf %.0f "$(figure connects_per_second)")"
row "seconds to connect and subscribe" "$(printf %.1f "$(figure connect_seconds)")"
row "seconds to ping all" "$(printf %.1f "$(figure seconds pings)")"
row "seconds to deliver to all" "$(printf %.1f "$(figure seconds deliveries)")"
row "broker CPU per connect, microseconds" "$(printf %.1f "$(figure cpu_us_per_connect)")"
row "broker CPU per ping, microseconds" "$(printf %.1f "$(figure cpu_us_per_ping)")"
row "broker CPU per message, microseconds" "$(printf %.1f "$(figure cpu_us_per_message)")"
row "pings answered" "$(figure answered pings)"
row "messages delivered" "$(figure answered deliveries)"
row "seconds in all, teardown included" "$took"
if [ "$passed" = 0 ]; then row "faults" "none"; else row "faults" "FAILED, see above"; fi
exit "$passed"
