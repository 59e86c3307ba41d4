# TLS, WebSocket, unix sockets, the PROXY protocol and passwords, with clients that others wrote and a broker of their own; read
# by tests/interop/run.

# shellcheck source=tests/interop/certificates.sh
. $here/certificates.sh

# Passwords as mosquitto 2.0 hashes them.
password_line() {
    python3 - "$1" "$2" << 'END'
import base64, hashlib, os, sys
user, password = sys.argv[1:]
salt = os.urandom(12)
digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1000, 64)
print(f"{user}:$7$1000${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}")
END
}

start_transports() {
    certificates "$work/certificates" || { cat "$work/certificates.log"; return 1; }
    : > "$work/passwords"
    chmod 600 "$work/passwords"
    password_line anna right > "$work/passwords"
    sed "s|/WORK|$work|" $here/transports.toml > "$work/transports.toml"
    "$1" serve --config "$work/transports.toml" --data-dir "$work/transports-data" --shards 2 --log info --log-format json \
        > "$work/transports.log" 2>&1 &
    transports=$!
    if ! await 20 grep -q 'is ready' "$work/transports.log"; then
        cat "$work/transports.log"
        return 1
    fi
    local ready
    ready=$(grep -m1 'is ready' "$work/transports.log")
    ports() { grep -o "$1://127.0.0.1:[0-9]*" <<< "$ready" | sed 's/.*://'; }
    { read -r password_port; read -r proxied_port; } < <(ports '[^a-z]tcp')
    { read -r tls_port; read -r mutual_port; read -r expired_port; } < <(ports '[^a-z]tls')
    { read -r ws_port; read -r origins_port; } < <(ports '[^a-z]ws')
    read -r wss_port < <(ports '[^a-z]wss')
    unix_path=$work/mqtt.sock
    export tls_port mutual_port ws_port wss_port password_port
}

# through NAME EXPECTED_CODE FLAGS...: mosquitto_pub with these flags, to nobody.
through() {
    local name=$1 expected=$2
    shift 2
    timeout 20 mosquitto_pub -t transports/none -m x -q 1 "$@" > "$work/through" 2>&1
    local code=$?
    if [ "$expected" = fails ]; then
        [ $code -ne 0 ] && [ $code -ne 124 ]
        completed "$name" $?
    else
        same "$name" "$expected" "$code"
    fi
}

# logged NAME PATTERN: waits for a line of the broker's log.
logged() {
    await 10 grep -Eq "$2" "$work/transports.log"
    completed "$1" $?
}

# heard NAME SUBSCRIBER_FLAGS -- PUBLISHER_FLAGS: a message from one transport to another.
heard() {
    local name=$1
    shift
    local subscriber=()
    while [ "$1" != -- ]; do
        subscriber+=("$1")
        shift
    done
    shift
    # Of the one before.
    : > "$work/heard"
    stdbuf -oL mosquitto_sub -d -q 1 -C 1 -W 20 -t transports/heard -F 'MSG %p' "${subscriber[@]}" > "$work/heard" 2>&1 &
    local listening=$!
    await 10 grep -q 'received SUBACK' "$work/heard"
    timeout 20 mosquitto_pub -q 1 -t transports/heard -m "$name" "$@"
    wait $listening
    same "$name" "MSG $name" "$(grep '^MSG ' "$work/heard")"
}

if start_transports "${RINGMQ_BINARY:-target/release/ringmq}"; then
    own=$work/certificates
    tls=(-h localhost -p "$tls_port" --cafile "$own/authority.pem")
    mutual=(-h localhost -p "$mutual_port" --cafile "$own/authority.pem")
    user=(-h 127.0.0.1 -p "$password_port" -u anna -P right)

    heard "from TLS to a unix socket" --unix "$unix_path" -- "${tls[@]}"
    heard "from a unix socket to TLS" "${tls[@]}" -- --unix "$unix_path"
    heard "from a client with a certificate to one with a password" "${user[@]}" -- \
        "${mutual[@]}" --cert "$own/client.pem" --key "$own/client.key"
    for tls_version in tlsv1.2 tlsv1.3; do
        heard "TLS with --tls-version $tls_version" "${tls[@]}" --tls-version $tls_version -- \
            "${tls[@]}" --tls-version $tls_version -V mqttv5
        for case in client:0 client_expired:fails client_revoked:fails; do
            name=${case%:*}
            through "$name certificate, $tls_version" "${case#*:}" "${mutual[@]}" --tls-version $tls_version \
                --cert "$own/$name.pem" --key "$own/$name.key"
        done
        through "no certificate, $tls_version" fails "${mutual[@]}" --tls-version $tls_version
    done
    logged "the name in the certificate is the user" 'client connected.*"user_name":"meter 7"|"user_name":"meter 7".*client connected'
    logged "an expired certificate is told in the log" certificate-expired
    logged "a revoked certificate is told in the log" certificate-revoked
    logged "a missing certificate is told in the log" certificate-missing
    through "an unknown server is refused by the client" fails -h localhost -p "$tls_port" --capath /etc/ssl/certs
    logged "and its alert is told in the log" alert-from-peer
    through "MQTT without TLS at a port with it" fails -h 127.0.0.1 -p "$tls_port"
    logged "is told in the log" not-tls
    through "TLS at a port without it" fails -h localhost -p "$password_port" --cafile "$own/authority.pem"

    through "the right password" 0 "${user[@]}"
    # MQTT 3.1.1: bad user name or password; MQTT 5.0: the same as 0x86.
    through "a wrong password" 4 -h 127.0.0.1 -p "$password_port" -u anna -P wrong
    through "an unknown user" 4 -h 127.0.0.1 -p "$password_port" -u nobody -P right
    through "a wrong password, MQTT 5.0" 134 -h 127.0.0.1 -p "$password_port" -u anna -P wrong -V mqttv5
    through "no password" 5 -h 127.0.0.1 -p "$password_port"

    s_client() { timeout 20 openssl s_client -connect "localhost:$1" -servername localhost -CAfile "$own/authority.pem" "${@:2}" < /dev/null 2>&1; }
    for tls_version in 1_2 1_3; do
        answer=$(s_client "$tls_port" -alpn mqtt -tls$tls_version -verify_return_error)
        for line in 'ALPN protocol: mqtt' 'Verification: OK' "TLSv${tls_version/_/.}"; do
            grep -q "$line" <<< "$answer"
            completed "openssl s_client -tls$tls_version: $line" $?
        done
    done
    grep -q 'ALPN protocol: http/1.1' <<< "$(s_client "$wss_port" -alpn http/1.1)"
    completed "openssl s_client agrees on http/1.1 for wss" $?
    grep -q 'alert no application protocol' <<< "$(s_client "$tls_port" -alpn imap)"
    completed "openssl s_client is refused with another protocol" $?
    grep -q 'alert \(protocol version\|handshake failure\)' <<< "$(s_client "$tls_port" -tls1_1 -cipher ALL:@SECLEVEL=0)"
    completed "openssl s_client is refused with TLS 1.1" $?
    grep -q 'certificate has expired' <<< "$(s_client "$expired_port")"
    completed "openssl s_client sees that the server's certificate has expired" $?
    grep -q 'has expired\|expired on\|not valid' "$work/transports.log"
    completed "the log warns of the expired certificate" $?
    s_client "$tls_port" -tls1_3 -sess_out "$work/session" -ign_eof > /dev/null &
    resuming=$!
    await 10 test -s "$work/session"
    kill $resuming 2> /dev/null
    grep -q '^Reused' <<< "$(s_client "$tls_port" -tls1_3 -sess_in "$work/session")"
    completed "openssl s_client resumes a session" $?

    upgrade() { # URL FLAGS...: the status of an opening handshake
        curl -s -o /dev/null -w '%{http_code}' --http1.1 --max-time 2 --cacert "$own/authority.pem" -H 'Connection: Upgrade' \
            -H 'Upgrade: websocket' -H "Sec-WebSocket-Version: ${websocket_version:-13}" -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$@"
    }
    ws=http://127.0.0.1:$ws_port
    same "curl opens a WebSocket" 101 "$(upgrade "$ws/mqtt" -H 'Sec-WebSocket-Protocol: mqtt')"
    same "curl opens a secure WebSocket" 101 "$(upgrade "https://localhost:$wss_port/mqtt" -H 'Sec-WebSocket-Protocol: mqtt')"
    same "curl from a page that may" 101 "$(upgrade "http://127.0.0.1:$origins_port/" -H 'Sec-WebSocket-Protocol: mqtt' -H 'Origin: https://example.org')"
    same "curl from a page that may not" 403 "$(upgrade "http://127.0.0.1:$origins_port/" -H 'Sec-WebSocket-Protocol: mqtt' -H 'Origin: https://example.com')"
    same "curl with another path" 404 "$(upgrade "$ws/other" -H 'Sec-WebSocket-Protocol: mqtt')"
    same "curl with another protocol" 400 "$(upgrade "$ws/mqtt" -H 'Sec-WebSocket-Protocol: chat')"
    same "curl with another version" 426 "$(websocket_version=8 upgrade "$ws/mqtt" -H 'Sec-WebSocket-Protocol: mqtt')"
    same "curl without an upgrade" 426 "$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$ws/mqtt")"
    logged "a refused handshake is told in the log" websocket-refused

    proxy_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat > "$work/haproxy.cfg" << END
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen mqtt
    bind 127.0.0.1:$proxy_port
    server ringmq 127.0.0.1:$proxied_port send-proxy-v2
END
    haproxy -db -f "$work/haproxy.cfg" > "$work/haproxy.log" 2>&1 &
    haproxy=$!
    await 10 bash -c "exec 3<> /dev/tcp/127.0.0.1/$proxy_port"
    heard "through haproxy" -h 127.0.0.1 -p "$proxy_port" -- -h 127.0.0.1 -p "$proxy_port" -A 127.0.0.5 -i behind-haproxy
    logged "haproxy says for whom it connects" 'behind-haproxy.*127\.0\.0\.5:|127\.0\.0\.5:.*behind-haproxy'
    through "without a PROXY header" fails -h 127.0.0.1 -p "$proxied_port"
    kill $haproxy 2> /dev/null
    wait $haproxy 2> /dev/null

    for paho in 1.6.1 2.1.0; do
        timeout 120 "target/interop/paho-$paho/bin/python" $here/transports_paho.py "$own/authority.pem" | tee -a "$results"
        completed "paho $paho over TLS and WebSocket ran to its end" "${PIPESTATUS[0]}"
    done
    for module in mqtt4 mqtt5; do
        NODE_PATH=target/interop/node_modules timeout 120 node $here/transports_mqttjs.cjs "$module" "$own" | tee -a "$results"
        completed "MQTT.js ($module) over TLS and WebSocket ran to its end" "${PIPESTATUS[0]}"
    done

    # The certificate that has expired is replaced; SIGHUP has all files read again.
    cp "$own/server.pem" "$own/server_expired.pem"
    cp "$own/server.key" "$own/server_expired.key"
    password_line anna new > "$work/passwords"
    stdbuf -oL mosquitto_sub -d "${user[@]}" -t transports/stays -C 1 -W 30 -F 'MSG %p' > "$work/stays" 2>&1 &
    stays=$!
    await 10 grep -q 'received SUBACK' "$work/stays"
    kill -HUP $transports
    renewed() { s_client "$expired_port" | grep -q 'Verification: OK'; }
    await 10 renewed
    completed "SIGHUP: a new certificate" $?
    await 10 eval 'timeout 5 mosquitto_pub -h 127.0.0.1 -p $password_port -u anna -P new -t transports/stays -q 1 -m stayed'
    completed "SIGHUP: a new password" $?
    wait $stays
    same "SIGHUP: clients stay" "MSG stayed" "$(grep '^MSG ' "$work/stays")"
    through "SIGHUP: the password of before" 4 "${user[@]}"

    kill -TERM $transports
    wait $transports
    same "SIGTERM ends a broker with all transports" 0 $?
    if [ -e "$unix_path" ]; then fail "the unix socket's file is gone"; else ok "the unix socket's file is gone"; fi
    transports=
else
    fail "the broker with all transports starts"
fi
