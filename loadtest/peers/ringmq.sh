#!/bin/sh
# Starts RingMQ in the foreground on one core, as the peers are set up: ringmq.sh PORT [DIRECTORY]
#
# It understands TRANSPORT, CERTIFICATE and CLIENT_CA as mosquitto.sh does. With a directory it keeps its state there. RINGMQ names
# the program, CPU the core.
set -eu
port=${1:?usage: ringmq.sh PORT [DIRECTORY]}
ringmq=${RINGMQ:-target/release/ringmq}

tls=
case ${TRANSPORT:-tcp} in
tcp | ws) ;;
tls | wss)
	certificate=$(realpath "${CERTIFICATE:?names the file with the certificate}")
	tls="[tls]
certificate = \"$certificate\"
key = \"${certificate%.pem}.key\""
	if [ -n "${CLIENT_CA:-}" ]; then
		tls="$tls
client_certificates = \"required\"
client_authorities = [\"$(realpath "$CLIENT_CA")\"]"
	fi
	;;
*)
	echo "TRANSPORT is tcp, tls, ws or wss" >&2
	exit 2
	;;
esac

if [ -n "${2:-}" ]; then set -- --data-dir "$2"; else set -- --no-persistence; fi

configuration=$(mktemp)
cat >"$configuration" <<EOT
listen = ["${TRANSPORT:-tcp}://127.0.0.1:$port"]
$tls
EOT
# It is read once, from a descriptor that outlives the file: nothing is left to be removed after exec.
exec 3<"$configuration"
rm "$configuration"
exec "$ringmq" serve --config /dev/fd/3 --shards 1 --cpus "${CPU:-0}" --log warn "$@"
