#!/usr/bin/env bash
# Installs the Debian package in a clean root, runs the broker there as the package's user, sends a message through it with mosquitto's
# clients, and purges it. Needs root, and installs debootstrap and lintian if they are not there. systemd does not run in there:
# what the unit demands is checked by systemd-analyze.
# Usage: check.sh PACKAGE.deb [ROOT]    ROOT is a root that debootstrap has made; it is copied, not changed.
set -euo pipefail
package=$(realpath "$1")
made=${2:-}
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 1; }

missing=()
command -v lintian > /dev/null || missing+=(lintian)
command -v debootstrap > /dev/null || [ -n "$made" ] || missing+=(debootstrap)
command -v systemd-analyze > /dev/null || missing+=(systemd)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -q
    apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

step() { printf '\n=== %s\n' "$1"; }
root=$(mktemp -d)
broker=
finish() {
    [ -z "$broker" ] || kill "$broker" 2> /dev/null || true
    mountpoint -q "$root/proc" && umount "$root/proc"
    rm -rf "$root"
}
trap finish EXIT

step "lintian"
lintian --fail-on error "$package"

step "a clean root"
if [ -n "$made" ]; then
    cp -a "$made/." "$root/"
else
    # What the binary was linked with here is what it needs there.
    debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" > /dev/null
fi
# mktemp lets nobody else in, and the package's user must see its root.
chmod 0755 "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
# Nothing is started at installation, as in an image.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"

step "install"
cp "$package" "$root/tmp/ringmq.deb"
chroot "$root" apt-get update -q
chroot "$root" apt-get install -q -y --no-install-recommends /tmp/ringmq.deb mosquitto-clients
chroot "$root" getent passwd ringmq
chroot "$root" ringmq --version
chroot "$root" ringmq check-config --quiet /etc/ringmq/ringmq.toml
[ -s "$root/usr/share/man/man1/ringmq.1.gz" ] && [ -s "$root/usr/share/man/man5/ringmq.toml.5.gz" ]

step "the unit"
# The program is in the other root, so a unit that names it there is checked.
unit=$(mktemp -d)
sed "s|/usr/bin/ringmq|$root/usr/bin/ringmq|" "$root/lib/systemd/system/ringmq.service" > "$unit/ringmq.service"
cp "$root/usr/share/doc/ringmq/examples/ringmq.socket" "$unit/"
(cd "$unit" && systemd-analyze verify --man=no ./ringmq.service ./ringmq.socket)
systemd-analyze security --offline=yes --threshold=25 "$unit/ringmq.service" | tail -1
rm -rf "$unit"

step "run as the package's user"
# systemd would make the directory.
chroot "$root" install -d -o ringmq -g ringmq -m 0750 /var/lib/ringmq
port=$((20000 + RANDOM % 20000))
chroot --userspec=ringmq:ringmq "$root" /usr/bin/env -i PATH=/usr/bin:/bin STATE_DIRECTORY=/var/lib/ringmq \
    /usr/bin/ringmq serve --config /etc/ringmq/ringmq.toml --listen "tcp://127.0.0.1:$port" 2> "$root/tmp/log" &
broker=$!
for _ in $(seq 300); do
    grep -q 'is ready' "$root/tmp/log" && break
    kill -0 "$broker" 2> /dev/null || { cat "$root/tmp/log"; exit 1; }
    sleep 0.1
done
cat "$root/tmp/log"
chroot "$root" mosquitto_pub -h 127.0.0.1 -p "$port" -t house/kitchen -m 21.5 -q 1 -r
received=$(chroot "$root" mosquitto_sub -h 127.0.0.1 -p "$port" -t 'house/#' -v -C 1 -W 10)
[ "$received" = "house/kitchen 21.5" ] || { echo "received: $received"; exit 1; }
echo "received: $received"
kill -TERM "$broker"
wait "$broker"
broker=
[ -n "$(ls -A "$root/var/lib/ringmq")" ]

step "purge"
chroot "$root" apt-get purge -q -y ringmq
for left in /usr/bin/ringmq /etc/ringmq /var/lib/ringmq /lib/systemd/system/ringmq.service; do
    [ ! -e "$root$left" ] || { echo "$left is left"; exit 1; }
done

printf '\npassed\n'
