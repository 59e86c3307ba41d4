# Traces that tshark reads, of clients with MQTT 3.1.1 and 5.0. Sourced by tests/interop/run.

start_traced() {
    printf 'listen = ["tcp://127.0.0.1:0"]\nadmin.listen = "127.0.0.1:0"\nstorage.persistence = false\n' > "$work/traced.toml"
    "$1" serve --config "$work/traced.toml" --shards 2 --log info --log-format json > "$work/traced.log" 2>&1 &
    traced=$!
    await 20 grep -q 'administration at' "$work/traced.log" || { cat "$work/traced.log"; return 1; }
    host=127.0.0.1
    port=$(grep -m1 'is ready' "$work/traced.log" | grep -o 'tcp://127.0.0.1:[0-9]*' | sed 's/.*://')
    admin=$(grep -m1 'administration at' "$work/traced.log" | grep -o 'http://127.0.0.1:[0-9]*')
}

# trace NAME OPTIONS...: into $work/NAME.pcapng, in force when it returns.
trace() {
    local name=$1
    shift
    timeout 60 "$ringmq" ctl trace --url "$admin" --pcap "$work/$name.pcapng" "$@" 2> "$work/$name.told" &
    await 10 grep -q 'has begun' "$work/$name.told"
}

# The fields of all packets, packets separated by "|".
dissected() { tshark -r "$work/$1.pcapng" -T fields -E separator=' ' "${@:2}" 2> /dev/null | sed 's/ *$//' | tr '\n' '|'; }

check_traces() {
    version=mqttv5
    trace client --client meter --count 7
    local of_client=$!
    trace topic --topic 'plant/#' --count 2
    local of_topic=$!
    mosquitto_sub -h "$host" -p "$port" -V mqttv311 -i wall -t 'plant/+' -q 1 -C 1 > "$work/traced.out" &
    await 10 subscribed wall
    mosquitto_sub -h "$host" -p "$port" -V mqttv5 -i meter -t 'command' -q 1 -C 1 > "$work/traced.out" &
    await 10 subscribed meter
    publish -t command -m faster -q 1
    wait $of_client
    same "tshark sees a client's packets" "1|2|8|9|3|4|14|" "$(dissected client -e mqtt.msgtype)"
    same "tshark sees MQTT 5.0" "5|" "$(dissected client -Y mqtt.msgtype==1 -e mqtt.ver)"
    same "tshark sees a topic and a payload" "command 666173746572|" "$(dissected client -Y mqtt.msgtype==3 -e mqtt.topic -e mqtt.msg)"
    same "tshark finds nothing malformed" "" "$(dissected client -Y '_ws.malformed || tcp.analysis.flags' -e frame.number)"
    publish -t plant/3 -m 21.5 -q 1
    wait $of_topic
    # A CONNECT is made for each of the two connections.
    same "tshark sees a topic's publishes" "1|3 plant/3|1|3 plant/3|" "$(dissected topic -e mqtt.msgtype -e mqtt.topic)"
    same "tshark finds nothing malformed in a topic's" "" "$(dissected topic -Y '_ws.malformed || tcp.analysis.flags' -e frame.number)"
}

subscribed() { "$ringmq" ctl client --url "$admin" "$1" 2> /dev/null | grep -q 'QoS 1'; }

ringmq=${RINGMQ_BINARY:-target/release/ringmq}
if start_traced "$ringmq"; then
    check_traces
else
    fail "the broker that is traced starts"
fi
kill $traced
wait $traced 2> /dev/null
traced=
