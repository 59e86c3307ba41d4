#!/bin/sh
# Makes certificates for measurements, with openssl: certificates.sh DIRECTORY
#
#   ca.pem                            the authority that has signed all others (P-256)
#   server-p256.pem, server-rsa.pem   brokers, for localhost, 127.0.0.1 and ::1, with server-*.key
#   client.pem                        a client (P-256), with client.key
#
# They are for one machine and one month. The keys are readable for everyone, so that a broker that runs as another user can
# read them: whoever has them can pretend to be "localhost", to those who trust this authority.
set -eu
directory=${1:?usage: certificates.sh DIRECTORY}
mkdir -p "$directory"
cd "$directory"

p256="-algorithm EC -pkeyopt ec_paramgen_curve:P-256"
rsa="-algorithm RSA -pkeyopt rsa_keygen_bits:2048"

# sign NAME SUBJECT EXTENSIONS KEY-OPTIONS...
sign() {
	name=$1 subject=$2 extensions=$3
	shift 3
	openssl genpkey "$@" -out "$name.key" 2>/dev/null
	openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
	printf '%s\nbasicConstraints=critical,CA:FALSE\n' "$extensions" >"$name.ext"
	openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile "$name.ext" \
		-out "$name.pem" 2>/dev/null
	rm "$name.csr" "$name.ext"
	chmod 644 "$name.key" "$name.pem"
}

# The options are several words each.
# shellcheck disable=SC2086
{
	openssl genpkey $p256 -out ca.key 2>/dev/null
	openssl req -x509 -new -key ca.key -subj "/CN=ringmq-load test authority" -days 30 \
		-addext "keyUsage=critical,keyCertSign,cRLSign" -out ca.pem
	names="subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1
extendedKeyUsage=serverAuth"
	sign server-p256 "/CN=localhost" "$names" $p256
	sign server-rsa "/CN=localhost" "$names" $rsa
	sign client "/CN=ringmq-load" "extendedKeyUsage=clientAuth" $p256
}
