#!/bin/sh
# Starts mosquitto in the foreground for a fair measurement: mosquitto.sh PORT [DIRECTORY]
#
# With a directory it keeps its state there, as often as its defaults say: persistence true. What that survives is not what
# a commit before each acknowledgement survives.
#
# TRANSPORT=tls, ws or wss in its environment makes it listen for that instead of plain TCP. For tls and wss, CERTIFICATE names the
# file with its certificate; the key lies beside it, with .key in the place of .pem. With CLIENT_CA, it wants of clients
# certificates that this authority has signed.
#
# It is configured for speed and without limits of its own, so that a difference is the broker's and not a setting's.
set -eu
port=${1:?usage: mosquitto.sh PORT [DIRECTORY]}
mosquitto=${MOSQUITTO:-$(command -v mosquitto || echo /usr/sbin/mosquitto)}

if [ -n "${2:-}" ]; then
	mkdir -p "$2"
	# Started as root it becomes the user mosquitto, who must be able to write there.
	persistence="persistence true
persistence_location $2/
user $(id -un)"
else
	# Nothing is written to disk, neither at intervals nor at the end.
	persistence="persistence false"
fi

transport=
other_listener=
case ${TRANSPORT:-tcp} in
tcp | tls) ;;
ws | wss)
	# Otherwise it listens on all addresses of IPv6.
	transport="protocol websockets
socket_domain ipv4"
	# mosquitto 2.0 does not start when all its listeners are for WebSocket. It removes this one at its end.
	other_listener="listener 0 $(mktemp -u)"
	;;
*)
	echo "TRANSPORT is tcp, tls, ws or wss" >&2
	exit 2
	;;
esac
case ${TRANSPORT:-tcp} in
tls | wss)
	: "${CERTIFICATE:?names the file with the certificate}"
	transport="$transport
certfile $CERTIFICATE
keyfile ${CERTIFICATE%.pem}.key"
	if [ -n "${CLIENT_CA:-}" ]; then
		transport="$transport
cafile $CLIENT_CA
require_certificate true"
	fi
	;;
esac

configuration=$(mktemp)
# mosquitto reads its configuration once at the start. It cannot be removed after exec, so it is read from a descriptor
# that outlives the file.
cat >"$configuration" <<EOF
# Loopback only: the load is local and nobody else may disturb it.
listener $port 127.0.0.1
$transport
# No password check on connecting; the other broker does none either.
allow_anonymous true
$persistence
# No log line for a connection, a subscription or a message, and none on standard error.
log_type none
# No periodic \$SYS messages.
sys_interval 0
# No limit on connections. (-1 is the default; it is here to be seen.)
max_connections -1
# QoS 1 and 2: as many unacknowledged messages of a client as the protocol allows (0 is no limit; the default of 20
# would cut large windows).
max_inflight_messages 0
# No limit on queued messages by number or by bytes: nothing is dropped.
max_queued_messages 0
max_queued_bytes 0
# Send small packets at once instead of waiting for more (TCP_NODELAY); the load generator does the same.
set_tcp_nodelay true
$other_listener
EOF
exec 3<"$configuration"
rm "$configuration"
exec "$mosquitto" -c /dev/fd/3
