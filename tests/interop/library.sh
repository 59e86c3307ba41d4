# Functions of tests/interop/run. Nothing here waits for a fixed time: what is awaited is a line in a file.

ok() { echo "ok $1" | tee -a "$results"; }
fail() { echo "FAIL $1" | tee -a "$results"; }

# completed NAME EXIT_CODE
completed() { if [ "$2" = 0 ]; then ok "$1"; else fail "$1 (exit code $2)"; fi; }

# same NAME EXPECTED ACTUAL
same() {
    if [ "$2" = "$3" ]; then ok "$1"; else
        fail "$1"
        printf '  expected: %q\n  actual:   %q\n' "$2" "$3" | cut -c 1-500
    fi
}

# await SECONDS COMMAND...: runs the command until it succeeds.
await() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then return 1; fi
        sleep 0.02
    done
}

# subscriber NAME FLAGS...: starts a mosquitto_sub whose messages go to $work/NAME, and waits for its SUBACK. With -d
# the tool also prints what it does; messages are the lines that begin with "MSG ".
subscriber() {
    local name=$1
    shift
    : > "$work/$name"
    stdbuf -oL mosquitto_sub -d -h "$host" -p "$port" -V "$version" -W 30 -F 'MSG %t %q %r %p' "$@" > "$work/$name" 2>&1 &
    eval "pid_$name=$!"
    await 10 grep -q 'received SUBACK' "$work/$name" || fail "$version $name: no SUBACK"
}

# messages NAME: waits for the subscriber to leave, and prints what it received, separated by "|". It is called in
# subshells, which cannot wait for a child of their parent.
messages() {
    local pid="pid_$1"
    await 40 gone "${!pid}"
    received "$1"
}
gone() { ! kill -0 "$1"; }
received() { grep '^MSG ' "$work/$1" | sed 's/^MSG //' | tr '\n' '|'; }
count_is() { [ "$(cat "${@:2}" | grep -c '^MSG ')" = "$1" ]; }

# quit NAME: ends a subscriber that would stay.
quit() {
    local pid="pid_$1"
    kill "${!pid}" 2> /dev/null
    wait "${!pid}" 2> /dev/null
}

publish() { timeout 20 mosquitto_pub -h "$host" -p "$port" -V "$version" "$@"; }

# A client that says nothing for longer than its keep-alive but pings, from beginning to end of the tests.
keep_alive_start() {
    version=mqttv311
    stdbuf -oL mosquitto_sub -d -h "$host" -p "$port" -i keep-alive -k 5 -t keep-alive -C 1 -W 300 > "$work/keep_alive" 2>&1 &
    pid_keep_alive=$!
    await 10 grep -q 'received SUBACK' "$work/keep_alive" || fail "keep-alive: no SUBACK"
}
keep_alive_finish() {
    await 20 grep -q 'received PINGRESP' "$work/keep_alive"
    same "a quiet client pings" 0 $?
    publish -t keep-alive -m still-there
    wait $pid_keep_alive
    same "a quiet client stays connected" "0 1" "$? $(grep -c 'sending CONNECT' "$work/keep_alive")"
}

# The start messages tell the ports that the kernel chose.
start_broker() {
    "$1" serve --listen tcp://127.0.0.1:0 --listen ws://127.0.0.1:0 --data-dir "$work/data" --shards 2 --log info --log-format json > "$work/broker.log" 2>&1 &
    broker=$!
    host=127.0.0.1
    if ! await 20 eval "grep -q 'tcp://127.0.0.1:' $work/broker.log && grep -q 'ws://127.0.0.1:' $work/broker.log"; then
        echo "the broker does not start:"
        cat "$work/broker.log"
        return 1
    fi
    port=$(grep -om1 'tcp://127.0.0.1:[0-9]*' "$work/broker.log" | sed 's/.*://')
    websocket=$(grep -om1 'ws://127.0.0.1:[0-9]*' "$work/broker.log")/mqtt
}

stop_broker() {
    local began=$SECONDS
    # One client stays connected and must not keep the server from leaving.
    : > "$work/stay"
    stdbuf -oL mosquitto_sub -d -h "$host" -p "$port" -t stay -W 60 > "$work/stay" 2>&1 &
    local stay=$!
    await 10 grep -q 'received SUBACK' "$work/stay"
    kill -TERM "$broker"
    wait "$broker"
    same "SIGTERM ends the broker with exit code 0" 0 $?
    if [ $((SECONDS - began)) -lt 15 ]; then ok "SIGTERM ends the broker in time"; else fail "SIGTERM ends the broker in time"; fi
    broker=
    kill $stay 2> /dev/null
    wait $stay 2> /dev/null
}
