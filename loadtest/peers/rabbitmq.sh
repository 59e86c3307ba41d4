#!/bin/sh
# Starts RabbitMQ with its MQTT plugin in the foreground for a fair measurement: rabbitmq.sh PORT
#
# It runs one scheduler thread for each core that it may use. It comes from the distribution's packages; nothing of the system's
# own RabbitMQ, if there is one, is used or changed. It takes ten seconds to start.
set -eu
port=${1:?usage: rabbitmq.sh PORT}
server=/usr/lib/rabbitmq/bin/rabbitmq-server

if [ ! -x "$server" ]; then
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
		echo "rabbitmq.sh: RabbitMQ is needed (apt install --no-install-recommends rabbitmq-server)" >&2
		exit 1
	}
	echo "rabbitmq.sh: installing rabbitmq-server" >&2
	# The system's own service is not wanted: RUNLEVEL=1 lets the installation not start it.
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends rabbitmq-server >&2
fi

# As many descriptors as the system allows: each client is one.
ulimit -n "$(ulimit -H -n)"
directory=$(mktemp -d)
# Only MQTT: no management, no statistics.
echo '[rabbitmq_mqtt].' >"$directory/plugins"
cat >"$directory/rabbitmq.conf" <<EOF
# No AMQP.
listeners.tcp = none
# Loopback only.
mqtt.listeners.tcp.1 = 127.0.0.1:$port
# No password check on connecting.
mqtt.allow_anonymous = true
# Many clients may connect at a time.
mqtt.tcp_listen_options.backlog = 65535
# Send small packets at once (TCP_NODELAY); the load generator does the same.
mqtt.tcp_listen_options.nodelay = true
# QoS 1: as many unacknowledged messages of a client as the protocol allows. (The default is 10.)
mqtt.prefetch = 65535
# No log.
log.console = false
log.file = false
# It stops reading from publishers when so much of the memory is used, or so little of the disk is free. Nothing here should
# come near that.
vm_memory_high_watermark.relative = 0.9
disk_free_limit.absolute = 1MB
EOF
cores=$(nproc)
export HOME="$directory"
export RABBITMQ_NODENAME="load-$port@localhost"
export RABBITMQ_CONFIG_FILE="$directory/rabbitmq.conf"
export RABBITMQ_ENABLED_PLUGINS_FILE="$directory/plugins"
export RABBITMQ_CONF_ENV_FILE="$directory/none"
export RABBITMQ_MNESIA_BASE="$directory/data"
export RABBITMQ_LOG_BASE="$directory"
export RABBITMQ_PID_FILE="$directory/pid"
# Ports for other nodes, of which there are none, and a directory of nodes of its own.
export RABBITMQ_DIST_PORT="$((port + 1))"
export ERL_EPMD_PORT="$((port + 2))"
export ERL_EPMD_ADDRESS=127.0.0.1
# One scheduler for each core. They do not spin before they sleep: that would count as work.
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S $cores:$cores +sbwt none +sbwtdcpu none +sbwtdio none"
# Makes the start script become the server instead of waiting for it.
export RUNNING_UNDER_SYSTEMD=1
# What the server leaves cannot be removed after exec, so a process that waits for the end does it.
(
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	epmd -kill
	rm -rf "$directory"
) >/dev/null 2>&1 &
exec "$server"
