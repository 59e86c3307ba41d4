#!/bin/sh
# Measures RingMQ over links that are not loopback: measure-links.sh veth | far, as root.
#
#   veth    loopback, and a virtual cable between two network namespaces, as containers have it: CPU of a message
#   far     a line with 20 ms each way, messages of 256 KiB once a second: net.ipv4.tcp_slow_start_after_idle with cubic and with bbr
#
# Variants take turns, each with a fresh broker, in network namespaces that end with this script. CPU 0 is the broker's, CPU 1 the load
# generator's (and the line's). Printed are CPU in µs a message, and latencies p50 and p99 in µs, of each round, then medians.
#
#   ROUNDS=3 SECONDS_EACH=3     RINGMQ=PATH RINGMQ_LOAD=PATH
set -eu

here=$(cd "$(dirname "$0")" && pwd)
find_program() { # find_program NAME: the one that was built here, or the one that is installed
	if [ -x "$here/../target/release/$1" ]; then echo "$here/../target/release/$1"; else command -v "$1" || true; fi
}
ringmq=${RINGMQ:-$(find_program ringmq)}
load=${RINGMQ_LOAD:-$(find_program ringmq-load)}
seconds=${SECONDS_EACH:-3}
port=18883
broker=

round() { # round VARIANT
	taskset -c 0 "$ringmq" serve --listen "tcp://0.0.0.0:$port" --allow-anonymous --no-persistence --shards 1 --cpus 0 --log warn &
	broker=$!
	export BROKER=$broker
	sleep 0.3
	case $1 in
	loopback) load 127.0.0.1 --pairs 50 --window 1 ;;
	veth) nsenter --net="/proc/$peer/ns/net" "$0" load 10.9.1.1 --pairs 50 --window 1 ;;
	*-idle-[01])
		export CONGESTION="${1%-idle-*}" AFTER_IDLE="${1##*-}"
		connection_settings
		taskset -c 1 python3 "$here/far.py" 20 "$0" load 10.9.0.1 --pairs 5 --payload 262144 --rate 5 ;;
	esac
	kill $broker
	wait $broker || true
	broker=
	python3 - "$1" "$JSON" <<-'END' | tee -a "$results"
		import json, sys
		run = json.load(open(sys.argv[2]))
		cpu, latency = run["broker"]["cpu_us_per_message"], run["latency"]
		print(sys.argv[1], f'{cpu:.2f} {latency["p50_us"]:.0f} {latency["p99_us"]:.0f}', "FAILED" if run["failed"] else "")
	END
}

load() { # load HOST ARGUMENT...
	# The far end of a line has its own settings.
	[ -z "${CONGESTION:-}" ] || connection_settings
	host=$1
	shift
	taskset -c 1 "$load" pairs --host "$host" --port $port --broker-pid "$BROKER" --seconds "$seconds" --warmup 1 --json "$JSON" "$@" >/dev/null
}

connection_settings() {
	echo "$CONGESTION" >/proc/sys/net/ipv4/tcp_congestion_control
	echo "$AFTER_IDLE" >/proc/sys/net/ipv4/tcp_slow_start_after_idle
}

# Another network namespace may use only those congestion controls that are allowed for everybody.
allow_congestion_controls() {
	directory=/proc/sys/net/ipv4
	allowed=$(cat $directory/tcp_allowed_congestion_control)
	trap 'echo "$allowed" >$directory/tcp_allowed_congestion_control' EXIT
	trap 'exit 130' INT TERM
	cat $directory/tcp_available_congestion_control >$directory/tcp_allowed_congestion_control
}

finish() {
	for process in $broker ${peer:-}; do kill "$process" 2>/dev/null || true; done
	rm -f "$JSON" "$results"
}

case ${1:-} in
load) shift; load "$@" ;;
inside)
	JSON=$(mktemp) results=$(mktemp)
	export JSON
	trap finish EXIT
	trap 'exit 130' INT TERM
	ip link set lo up
	case $2 in
	veth)
		variants="loopback veth"
		unshare --net sleep 600 &
		peer=$!
		sleep 0.2
		ip link add veth0 type veth peer name veth1 netns $peer
		ip addr add 10.9.1.1/30 dev veth0
		ip link set veth0 up
		nsenter --net=/proc/$peer/ns/net sh -c 'ip addr add 10.9.1.2/30 dev veth1; ip link set veth1 up' ;;
	far) variants="cubic-idle-1 cubic-idle-0 bbr-idle-1 bbr-idle-0" ;;
	esac
	for _ in $(seq "${ROUNDS:-3}"); do
		for variant in $variants; do round "$variant"; done
	done
	for variant in $variants; do
		for column in 2 3 4; do
			grep "^$variant " "$results" | cut -d' ' -f$column | sort -n | sed -n "$(((${ROUNDS:-3} + 1) / 2))p"
		done | tr '\n' ' ' | sed "s/^/median of $variant: /"
		echo
	done ;;
veth | far)
	allow_congestion_controls
	unshare --net "$0" inside "$1" ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0" ;;
esac
