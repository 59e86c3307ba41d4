#!/bin/sh
# Starts RMQTT, a broker in Rust, in the foreground for a fair measurement: rmqtt.sh PORT
#
# It runs one worker thread for each core that it may use. It is built from crates.io into a cache folder the first time, which
# takes half an hour of one core, for it comes with bridges to many systems; they need cmake and protoc.
set -eu
port=${1:?usage: rmqtt.sh PORT}
version=0.24.0
home=${XDG_CACHE_HOME:-$HOME/.cache}/ringmq-load/rmqttd-$version

if [ ! -x "$home/bin/rmqttd" ]; then
	for tool in cargo cmake protoc; do
		command -v "$tool" >/dev/null || {
			echo "rmqtt.sh: $tool is needed to build rmqttd (rustup.rs; apt install cmake protobuf-compiler)" >&2
			exit 1
		}
	done
	echo "rmqtt.sh: building rmqttd $version into $home" >&2
	cargo install --quiet --locked --root "$home" "rmqttd@$version" >&2
fi

# As many descriptors as the system allows: each client is one.
ulimit -n "$(ulimit -H -n)"
directory=$(mktemp -d)
cat >"$directory/rmqtt.toml" <<EOF
[node]
id = 1
# Do not refuse clients because the machine is busy: it is meant to be.
busy.check_enable = false

[rpc]
# For other nodes, of which there are none.
server_addr = "127.0.0.1:$((port + 1))"

[log]
to = "off"
level = "error"

[plugins]
dir = "$directory/plugins"
# No access rules, counters' page or HTTP interface: the other brokers have none either.
disabled_default_startups = ["rmqtt-acl", "rmqtt-counter", "rmqtt-http-api"]

[listener.tcp.external]
enable = true
# Loopback only.
addr = "127.0.0.1:$port"
# Many clients may connect at a time.
backlog = 65535
max_handshaking_limit = 100000
max_connections = 1024000
# No password check on connecting.
allow_anonymous = true
# Send small packets at once (TCP_NODELAY); the load generator does the same.
nodelay = true
max_packet_size = "256MB"
# QoS 1 and 2: as many unacknowledged messages of a client as the protocol allows. (The default is 16.)
max_inflight = 65535
# Messages that wait for one client: so many that nothing is dropped. (The default is 1,000.)
max_mqueue_len = 1000000
# How fast they may leave: no limit.
mqueue_rate_limit = "4294967295,1s"
EOF
mkdir "$directory/plugins"
# The configuration is read at the start. It cannot be removed after exec, so a process that waits for the end does it.
(
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	rm -rf "$directory"
) >/dev/null 2>&1 &
cd "$directory"
exec "$home/bin/rmqttd" --config "$directory/rmqtt"
