#!/bin/sh
# Sets which CPUs take the interrupts of a network card's queues:
#
#   irq-affinity.sh [--dry-run] CARD [CPUS]     queue 0 to the first of CPUS (such as 0-3,8), queue 1 to the second, and round again;
#                                               without CPUS: those of the card's NUMA node
#   irq-affinity.sh [--dry-run] --undo          all back to what was found before the first change since the machine started
#
# What is changed is printed, with the command that undoes it. Give the CPUs that the shards are on (runtime.cpus): what takes the interrupt
# also takes the packet through TCP, and then nothing moves to another CPU.
# Documentation/core-api/irq/irq-affinity.rst and Documentation/networking/scaling.rst of the kernel.
#
# ROOT=DIRECTORY works on a copy of /proc, /sys and /run below DIRECTORY.
set -eu

root=${ROOT:-}
state=$root/run/ringmq-irq-affinity
failed=0
dry_run=

main() {
	case ${1:-} in --dry-run) dry_run=yes; shift ;; esac
	case ${1:-} in
	'' | -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" ;;
	--undo) undo ;;
	-*) fail "no such option: $1" ;;
	*) spread "$1" "${2:-}" ;;
	esac
	exit $failed
}

# Each queue's interrupt to one CPU.
spread() { # spread CARD CPUS
	device=$root/sys/class/net/$1/device
	case $1 in */* | .*) fail "no such card: $1" ;; esac
	[ -d "$root/sys/class/net/$1" ] || fail "no such card: $1"
	[ -e "$device" ] || fail "$1 has no device behind it (loopback, bridge, veth): it has no interrupts"
	list=${2:-$(node_cpus "$device")}
	cpus=$(expand "$list") || fail "not a list of CPUs: $list"
	numbers=$(queue_interrupts "$device" "$1")
	[ -n "$numbers" ] || fail "$1: no interrupts that belong to numbered queues in /proc/interrupts"
	warn_of_irqbalance
	for number in $numbers; do
		# The queue's number ends the interrupt's name: eth0-TxRx-3, virtio2-input.0, mlx5_comp3@pci:...
		queue=$(name_of "$number" | sed 's/@.*//; s/.*[^0-9]//; s/^0*\(.\)/\1/')
		# shellcheck disable=SC2086 # a list of words
		set_affinity "$number" "$(pick "$queue" $cpus)"
	done
}

undo() {
	[ -e "$state" ] || { echo "Nothing was changed since the machine started."; return; }
	while read -r number old; do
		set_affinity "$number" "$old"
	done <"$state"
	[ -n "$dry_run" ] || [ $failed != 0 ] || rm "$state"
}

set_affinity() { # set_affinity IRQ CPUS
	file=$root/proc/irq/$1/smp_affinity_list
	old=$(cat "$file" 2>/dev/null) || { complain "interrupt $1 is not there"; return; }
	[ "$old" != "$2" ] || { echo "interrupt $1 ($(name_of "$1")): CPU $old already"; return; }
	if [ -z "$dry_run" ]; then
		grep -q "^$1 " "$state" 2>/dev/null || echo "$1 $old" >>"$state"
		# Drivers that manage their interrupts themselves refuse (EIO): those are spread by the kernel already.
		(echo "$2" >"$file") 2>/dev/null || { complain "interrupt $1 ($(name_of "$1")): refused; CPU $old stays"; return; }
	fi
	echo "interrupt $1 ($(name_of "$1")): CPU $old -> $2    undo: echo $old > ${file#"$root"}"
}

# Interrupts of the card that are for a queue, by their numbers: those whose name ends in one, but for the card's own. A virtio card's
# are those of the PCI device around it.
queue_interrupts() { # queue_interrupts DEVICE CARD
	for directory in "$1/msi_irqs" "$1/../msi_irqs"; do
		[ -d "$directory" ] || continue
		for number in $(ls "$directory" | sort -n); do
			case $(name_of "$number") in "$2" | *config* | *async*) continue ;; esac
			case $(name_of "$number" | sed 's/@.*//') in *[0-9]) echo "$number" ;; esac
		done
		return
	done
}

name_of() { # name_of IRQ: what /proc/interrupts calls it
	sed -n "s/^ *$1:.* //p" "$root/proc/interrupts"
}

node_cpus() { # node_cpus DEVICE
	cat "$1/local_cpulist" 2>/dev/null || cat "$1/../local_cpulist" 2>/dev/null || cat "$root/sys/devices/system/cpu/online"
}

expand() { # expand 0-3,8
	echo "$1" | tr , '\n' | awk -F- '
		!/^[0-9]+(-[0-9]+)?$/ || $NF > 8191 || $NF < $1 { bad = 1; exit }
		{ for (cpu = $1; cpu <= $NF; cpu++) printf "%d ", cpu }
		END { exit bad }'
}

pick() { # pick N CPU...: the Nth from zero on, round again
	n=$1
	shift
	shift $((n % $#))
	echo "$1"
}

warn_of_irqbalance() {
	for comm in "$root"/proc/[0-9]*/comm; do
		[ "$(cat "$comm" 2>/dev/null)" != irqbalance ] || {
			echo "irqbalance runs and will move them again: stop it, or give it --banirq=N for each." >&2
			return
		}
	done
}

complain() { failed=1; echo "$*" >&2; }

fail() { echo "$*" >&2; exit 2; }

main "$@"
