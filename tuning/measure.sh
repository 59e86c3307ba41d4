#!/bin/sh
# Measures what a knob does to RingMQ on this machine: measure.sh SUBJECT, as root; without one it lists them.
#
# The variants of a knob take turns, each round with a fresh broker (ringmq-load compare). All of it is in a network namespace
# of its own, so that net.* sysctls of other programs stay as they are; what is not a namespace's is put back at the end.
# CPU 0 is the broker's, CPU 1 the load generator's. Nothing else should run meanwhile.
#
#   ROUNDS=5 SECONDS_EACH=3     RINGMQ=PATH RINGMQ_LOAD=PATH     JSON=FILE (all figures of all rounds)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
find_program() { # find_program NAME: the one that was built here, or the one that is installed
	if [ -x "$here/../target/release/$1" ]; then echo "$here/../target/release/$1"; else command -v "$1" || true; fi
}
export RINGMQ="${RINGMQ:-$(find_program ringmq)}" RINGMQ_LOAD="${RINGMQ_LOAD:-$(find_program ringmq-load)}"
seconds=${SECONDS_EACH:-3}

one_at_a_time="pairs --pairs 50 --window 1 --seconds $seconds --warmup 0.5"
steady="pairs --pairs 50 --rate 10000 --seconds $seconds --warmup 0.5"

# ---- subjects

measure() { # measure SUBJECT: sets a knob where all variants share it, then lets the variants take turns
	case $1 in
	idle) # runtime.idle at a steady rate
		compare "idle-park idle-spin idle-busy" $steady ;;
	idle-alone) # runtime.idle with one message on its way
		compare "idle-park idle-spin idle-busy" pairs --pairs 1 --window 1 --seconds $seconds --warmup 0.5 ;;
	pinning) # the shard on its CPU, or wherever the scheduler puts it
		broker_cpus=0-1
		compare "plain unpinned" $one_at_a_time ;;
	congestion) # net.ipv4.tcp_congestion_control
		compare "reno cubic bbr" $one_at_a_time ;;
	congestion-large) # the same with messages of 16 KiB
		compare "reno cubic bbr" pairs --pairs 20 --payload 16384 --window 4 --seconds $seconds --warmup 0.5 ;;
	congestion-rate) # the same at a steady rate
		compare "reno cubic bbr" $steady ;;
	conntrack) # connection tracking, and rules that except the broker
		compare "no-rules tracked untracked" $one_at_a_time ;;
	conntrack-connect) # the same for connects
		compare "no-rules tracked untracked" connect --clients 15000 --keep-alive 0 ;;
	rps) # receive packet steering to both CPUs
		mount -t sysfs sysfs /sys # this network namespace's
		compare "rps-off rps-on" $one_at_a_time ;;
	timer-slack) # PR_SET_TIMERSLACK
		compare "plain timer-slack-1ns" $steady ;;
	busy-read) # net.core.busy_read and busy_poll
		keep /proc/sys/net/core/busy_read /proc/sys/net/core/busy_poll
		compare "busy-read-0 busy-read-50" $one_at_a_time ;;
	autocorking) # net.ipv4.tcp_autocorking
		compare "autocorking-on autocorking-off" pairs --pairs 50 --window 20 --qos 1 --seconds $seconds --warmup 0.5 ;;
	halt-poll) # cpuidle's haltpoll governor in a guest: how long it polls before the CPU halts
		keep /sys/module/haltpoll/parameters/guest_halt_poll_ns
		compare "halt-poll-0 halt-poll-200us" $steady ;;
	backlog) # net.core.somaxconn when 10,000 clients come at once
		compare "somaxconn-128 somaxconn-4096 somaxconn-65535" connect --clients 10000 --dial-concurrency 10000 --keep-alive 0
		echo "Listen overflows (TcpExtListenOverflows) before each round:"
		overflows end; cat "$work/overflows" ;;
	priority) # four programs that compute beside the broker on its CPU, and who goes first
		keep /proc/sys/kernel/sched_autogroup_enabled
		compare "one-group own-group nice slice-100us real-time" \
			pairs --pairs 50 --rate 4000 --seconds $seconds --warmup 0.5 ;;
	quota) # a cgroup's quota of CPU time: 30 ms of each 100
		compare "plain quota" pairs --pairs 50 --rate 10000 --seconds $seconds --warmup 0.5
		cat /sys/fs/cgroup/cpu/ringmq-measure/cpu.stat ;;
	seccomp) # a filter of system calls as containers have it, with 400 rules
		compare "plain seccomp" $one_at_a_time ;;
	seccomp-rate) # the same at a steady rate
		compare "plain seccomp" $steady ;;
	huge-pages) # transparent huge pages: memory of idle connections
		keep /sys/kernel/mm/transparent_hugepage/enabled
		compare "huge-never huge-madvise huge-always" idle --connections 10000 --subscribe ;;
	huge-pages-cpu) # the same: CPU of messages
		keep /sys/kernel/mm/transparent_hugepage/enabled
		compare "huge-madvise huge-always" $one_at_a_time ;;
	buffers) # net.ipv4.tcp_rmem and tcp_wmem: memory of idle connections
		compare "buffers-plain buffers-small buffers-large" idle --connections 10000 --subscribe ;;
	buffers-cpu) # the same: CPU of large messages
		compare "buffers-plain buffers-small buffers-large" \
			pairs --pairs 20 --payload 16384 --window 4 --seconds $seconds --warmup 0.5 ;;
	buffers-slow) # the same with 100 subscribers that do not read
		compare "buffers-plain buffers-small buffers-large" slow --slow 100 --subscribers 1 --seconds $seconds --payload 1024 ;;
	ports) # net.ipv4.ip_local_port_range of the load generator
		compare "ports-19232 ports-28232 ports-64512" connect --clients 19000 --keep-alive 0 --source-addresses 1 ;;
	*) echo "no such subject: $1" >&2; return 2 ;;
	esac
}

# Sets what a variant is about, then becomes the broker.
broker() { # broker VARIANT PORT
	wrap=
	case $1 in
	plain) ;;
	no-rules) flush_rules ;;
	idle-park) export RINGMQ_RUNTIME_IDLE=park ;;
	idle-spin) export RINGMQ_RUNTIME_IDLE="spin = 50us" ;;
	idle-busy) export RINGMQ_RUNTIME_IDLE=busy ;;
	# It pins itself at its start.
	unpinned) (sleep 0.3; taskset -a -p -c 0,1 $$ >/dev/null 2>&1) & ;;
	reno | cubic | bbr) set_sysctl net/ipv4/tcp_congestion_control "$1" ;;
	tracked) flush_rules; iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j ACCEPT ;;
	untracked)
		flush_rules
		iptables-legacy -A INPUT -m conntrack --ctstate INVALID -j ACCEPT
		for chain in PREROUTING OUTPUT; do iptables-legacy -t raw -A $chain -p tcp -j NOTRACK; done ;;
	rps-off) echo 0 >/sys/class/net/lo/queues/rx-0/rps_cpus ;;
	rps-on) echo 3 >/sys/class/net/lo/queues/rx-0/rps_cpus ;;
	timer-slack-1ns) wrap="python3 $here/measure.py timer-slack 1" ;;
	busy-read-*)
		echo "${1#busy-read-}" >/proc/sys/net/core/busy_read
		echo "${1#busy-read-}" >/proc/sys/net/core/busy_poll ;;
	autocorking-on) set_sysctl net/ipv4/tcp_autocorking 1 ;;
	autocorking-off) set_sysctl net/ipv4/tcp_autocorking 0 ;;
	halt-poll-0) echo 0 >/sys/module/haltpoll/parameters/guest_halt_poll_ns ;;
	halt-poll-200us) echo 200000 >/sys/module/haltpoll/parameters/guest_halt_poll_ns ;;
	somaxconn-*) set_sysctl net/core/somaxconn "${1#somaxconn-}"; overflows "$1" ;;
	one-group) compete 0 ;;
	own-group) compete 1; wrap=setsid ;;
	nice) compete 0; wrap="nice -n -10" ;;
	slice-100us) compete 0; wrap="python3 $here/measure.py slice 100000" ;;
	real-time) compete 0; wrap="chrt -r 10" ;;
	quota) quota $$ ;;
	seccomp) wrap="python3 $here/measure.py seccomp allow" ;;
	huge-*) echo "${1#huge-}" >/sys/kernel/mm/transparent_hugepage/enabled ;;
	buffers-plain) set_sysctl net/ipv4/tcp_rmem "4096 131072 6291456"; set_sysctl net/ipv4/tcp_wmem "4096 16384 4194304" ;;
	buffers-small) set_sysctl net/ipv4/tcp_rmem "4096 4096 65536"; set_sysctl net/ipv4/tcp_wmem "4096 4096 65536" ;;
	buffers-large) set_sysctl net/ipv4/tcp_rmem "1048576 4194304 33554432"; set_sysctl net/ipv4/tcp_wmem "1048576 4194304 33554432" ;;
	ports-19232) set_sysctl net/ipv4/ip_local_port_range "32768 51999" ;;
	ports-28232) set_sysctl net/ipv4/ip_local_port_range "32768 60999" ;;
	ports-64512) set_sysctl net/ipv4/ip_local_port_range "1024 65535" ;;
	*) echo "no such variant: $1" >&2; exit 2 ;;
	esac
	exec $wrap "$RINGMQ" serve --listen "tcp://127.0.0.1:$2" --no-persistence --shards 1 --cpus 0 --log error
}

# ---- helpers

compare() { # compare "VARIANTS" SCENARIO...: the first variant is the baseline
	variants=$1
	reversed=
	shift
	set -- --rounds "${ROUNDS:-5}" --broker-cpus "${broker_cpus:-0}" --load-cpus 1 --baseline "${variants%% *}" ${JSON:+--json "$JSON"} -- "$@"
	for variant in $variants; do reversed="$variant $reversed"; done
	for variant in $reversed; do set -- --broker "$variant=$here/measure.sh broker $variant {port}" "$@"; done
	"$RINGMQ_LOAD" compare "$@"
}

set_sysctl() { echo "$2" >"/proc/sys/$1"; }

keep() { # keep FILE...: puts their values back at the end
	for file in "$@"; do
		value=$(sed 's/.*\[\(.*\)\].*/\1/' "$file")
		printf '%s %s\n' "$file" "$value" >>"$work/kept"
	done
}

compete() { # compete AUTOGROUP: four programs that compute on the broker's CPU, in a session of their own, begun anew
	end_competitors
	echo "$1" >/proc/sys/kernel/sched_autogroup_enabled
	# Not the broker's children, whose CPU would count as its own.
	(COMPETITOR=$WORK/competitor setsid taskset -c 0 sh -c '
		echo $$ >"$COMPETITOR"
		for _ in 1 2 3 4; do while :; do :; done & done
		wait' &)
	sleep 0.2
}

end_competitors() {
	[ ! -e "$WORK/competitor" ] || kill -- "-$(cat "$WORK/competitor")" 2>/dev/null || true
}

quota() { # quota PID
	group=/sys/fs/cgroup/cpu/ringmq-measure
	mkdir -p $group
	echo 100000 >$group/cpu.cfs_period_us
	echo 30000 >$group/cpu.cfs_quota_us
	echo "$1" >$group/cgroup.procs
}

overflows() { # overflows VARIANT: the counter before this round
	count=$(awk '/^TcpExt:/ { if (n++) print $at; else for (i = 1; i <= NF; i++) if ($i == "ListenOverflows") at = i }' /proc/net/netstat)
	echo "$1: $count" >>"$work/overflows"
}

flush_rules() {
	iptables-legacy -F
	iptables-legacy -t raw -F
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
	end_competitors
	[ ! -e "$work/kept" ] || while read -r file value; do echo "$value" >"$file"; done <"$work/kept"
	[ ! -d /sys/fs/cgroup/cpu/ringmq-measure ] || rmdir /sys/fs/cgroup/cpu/ringmq-measure || true
	rm -rf "$work"
}

case ${1:-} in
'')
	sed -n '2,8s/^# \{0,1\}//p' "$0"
	echo "Subjects:"
	sed -n '/^measure()/,/^}/s/^\t\([a-z-]*\)) # \(.*\)/  \1: \2/p' "$0" ;;
broker) broker "$2" "$3" ;;
inside)
	ip link set lo up
	work=$WORK
	trap finish EXIT
	trap 'exit 130' INT TERM
	measure "$2" ;;
*)
	WORK=$(mktemp -d)
	export WORK work="$WORK"
	allow_congestion_controls
	case $1 in
	busy-read) "$0" inside "$1" ;; # its sysctls are only in the first namespace
	*) unshare --net --mount "$0" inside "$1" ;;
	esac ;;
esac
