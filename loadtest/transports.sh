#!/bin/sh
# Measures RingMQ and mosquitto over TLS and over WebSocket, in turns: transports.sh [ROUNDS]
#
# Results go to target/transports. It is started in the root of the repository, after `cargo build --release --workspace`.
set -u
rounds=${1:-3}
certificates=target/certificates
results=target/transports
mkdir -p "$results"
loadtest/certificates.sh "$certificates" || exit

compare() {
	transport=$1 name=$2
	shift 2
	listener="env TRANSPORT=$transport CERTIFICATE=$certificates/server-${KEY:-p256}.pem"
	target/release/ringmq-load compare --rounds "$rounds" --broker-cpus 0 --load-cpus 1 \
		--json "$results/$name.json" --html "$results/$name.html" \
		--broker "ringmq=$listener loadtest/peers/ringmq.sh {port}" \
		--broker "mosquitto=$listener loadtest/peers/mosquitto.sh {port}" "$@"
}

# A storm that mosquitto does not survive in time is a result, too: the others go on.
compare tls tls --suite loadtest/suites/tls.toml
compare ws websocket --suite loadtest/suites/websocket.toml
compare wss wss-pairs -- pairs --window 100 --seconds 5 --ws --tls --ca "$certificates/ca.pem"
KEY=rsa compare tls rsa-handshakes -- handshakes --seconds 5 --tls --insecure --tls-version 1.3
