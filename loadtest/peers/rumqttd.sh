#!/bin/sh
# Starts rumqttd, a broker in Rust, in the foreground for a fair measurement: rumqttd.sh PORT
#
# It runs one thread for the connections of a listener and one for routing, however many cores there are. A listener speaks one
# version: PORT is for MQTT 3.1.1, PORT + 1 for 5.0. It is built from crates.io into a cache folder the first time, which takes
# some minutes. (Not with --locked: the locked metrics 0.22.1 is refused by compilers from Rust 1.90 on.)
set -eu
port=${1:?usage: rumqttd.sh PORT}
version=0.20.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/ringmq-load/rumqttd-$version

if [ ! -x "$home/bin/rumqttd" ]; then
	command -v cargo >/dev/null || { echo "rumqttd.sh: cargo is needed to build rumqttd (rustup.rs)" >&2; exit 1; }
	echo "rumqttd.sh: building rumqttd $version into $home" >&2
	cargo install --quiet --root "$home" "rumqttd@$version" >&2
fi

# As many descriptors as the system allows: each client is one.
ulimit -n "$(ulimit -H -n)"
configuration=$(mktemp --suffix=.toml)
cat >"$configuration" <<EOF
id = 0

[router]
id = 0
# No limit on connections that a load of this generator would meet: each place costs memory at the start.
max_connections = 25000
# Packets that the router hands to a connection at a time; the author's default.
max_outgoing_packet_count = 200
# Messages are kept in a log for each filter, in memory. At the author's defaults the log holds 1 GB, after which the
# oldest are dropped; nothing is written to disk.
max_segment_size = 104857600
max_segment_count = 10

[v4.1]
name = "v4"
# Loopback only.
listen = "127.0.0.1:$port"
# No pause between one accepted connection and the next.
next_connection_delay_ms = 0
    [v4.1.connections]
    connection_timeout_ms = 60000
    # Any payload of this generator fits.
    max_payload_size = 268435455
    # QoS 1 and 2: as many unacknowledged messages of a client as large windows need. (The default is 100.)
    max_inflight_count = 1024
    # Clients may subscribe to any filter.
    dynamic_filters = true

[v5.1]
name = "v5"
listen = "127.0.0.1:$((port + 1))"
next_connection_delay_ms = 0
    [v5.1.connections]
    connection_timeout_ms = 60000
    max_payload_size = 268435455
    max_inflight_count = 1024
    dynamic_filters = true
EOF
# The configuration is read at the start. It cannot be removed after exec, so a process that waits for the end does it.
(
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	rm -f "$configuration"
) >/dev/null 2>&1 &
# It logs errors, each connection that is reset among them; they go nowhere.
exec "$home/bin/rumqttd" --config "$configuration" --quiet >/dev/null
