# mosquitto_pub, mosquitto_sub and mosquitto_rr in one version of the protocol ($version); read by tests/interop/run.
# Messages of several publishers have an order only where the one before was acknowledged, so they have QoS 1.
# A retained flag of 1 in a live message would be wrong in 3.x, so all messages are compared with QoS and flag.

for qos in 0 1 2; do
    subscriber pair -q $qos -t "$version/pair" -C 1
    publish -q $qos -t "$version/pair" -m "hello $qos"
    same "$version QoS $qos" "$version/pair $qos 0 hello $qos|" "$(messages pair)"
done

subscriber granted -q 1 -t "$version/granted" -C 2
publish -q 2 -t "$version/granted" -m high
publish -q 0 -t "$version/granted" -m low
same "$version QoS is the lower of the two" "$version/granted 1 0 high|$version/granted 0 0 low|" "$(messages granted)"

subscriber empty -t "$version/empty" -C 1
publish -n -t "$version/empty"
same "$version empty payload" "$version/empty 0 0 |" "$(messages empty)"

publish -r -q 1 -t "$version/retained/a" -m kept
publish -r -q 1 -t "$version/retained/a" -m 'kept newer'
publish -r -t "$version/retained/b" -m other
subscriber retained -q 1 -t "$version/retained/+" -C 2
same "$version retained messages come with their flag" \
    "$version/retained/a 1 1 kept newer|$version/retained/b 0 1 other|" "$(messages retained | tr '|' '\n' | sort | tr '\n' '|' | sed 's/^|//')"
publish -r -n -q 1 -t "$version/retained/a"
publish -r -n -q 1 -t "$version/retained/b"
subscriber cleared -t "$version/retained/#" -C 1
publish -r -t "$version/retained/c" -m live
same "$version an empty payload removes a retained message" "$version/retained/c 0 0 live|" "$(messages cleared)"
publish -r -n -q 1 -t "$version/retained/c"

subscriber will -q 1 -t "$version/will" -C 1
# What the clients of the version before have said would be taken for what these say.
: > "$work/dying"
: > "$work/request"
mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-dying" -t "$version/dying" -d \
    --will-topic "$version/will" --will-payload gone --will-qos 1 > "$work/dying" 2>&1 &
dying=$!
disown $dying
await 10 grep -q 'received SUBACK' "$work/dying" || sleep 0.3
kill -KILL $dying
same "$version will of a client that is lost" "$version/will 1 0 gone|" "$(messages will)"

subscriber no_will -q 1 -t "$version/no-will" -C 1
publish -q 1 --will-topic "$version/no-will" --will-payload gone -t "$version/other" -m x
publish -q 1 -t "$version/no-will" -m 'no will'
same "$version no will after DISCONNECT" "$version/no-will 1 0 no will|" "$(messages no_will)"

subscriber plus -t "$version/+/state" -C 2
subscriber hash -t "$version/house/#" -C 3
publish -q 1 -t "$version/house/state" -m 1
publish -q 1 -t "$version/house" -m 2
publish -q 1 -t "$version/house/a/b" -m 3
publish -q 1 -t "$version/garden/state" -m 4
same "$version wildcard +" "$version/house/state 0 0 1|$version/garden/state 0 0 4|" "$(messages plus)"
same "$version wildcard #" "$version/house/state 0 0 1|$version/house 0 0 2|$version/house/a/b 0 0 3|" "$(messages hash)"

subscriber overlap -q 2 -t "$version/overlap/a" -t "$version/overlap/done" -C 2
publish -q 1 -t "$version/overlap/a" -m once
publish -q 1 -t "$version/overlap/done" -m done
same "$version two subscriptions in one SUBSCRIBE" \
    "$version/overlap/a 1 0 once|$version/overlap/done 1 0 done|" "$(messages overlap)"

subscriber share_1 -q 1 -t "\$share/group/$version/share"
subscriber share_2 -q 1 -t "\$share/group/$version/share"
subscriber share_all -q 1 -t "$version/share" -C 20
seq 1 20 | publish -q 1 -l -t "$version/share"
messages share_all > /dev/null
await 10 count_is 20 "$work/share_1" "$work/share_2"
same "$version each message to one member of a shared subscription" "$(seq 1 20 | tr '\n' ' ')" \
    "$(cat "$work/share_1" "$work/share_2" | grep '^MSG ' | awk '{ print $5 }' | sort -n | tr '\n' ' ')"
if grep -q '^MSG ' "$work/share_1" && grep -q '^MSG ' "$work/share_2"; then
    ok "$version every member of a shared subscription gets some"
else
    fail "$version every member of a shared subscription gets some"
fi
quit share_1
quit share_2

mosquitto_sub -h "$host" -p "$port" -V "$version" -c -i "$version-sleeper" -q 1 -t "$version/sleep" -E
same "$version -E leaves after SUBACK" 0 $?
seq 1 50 | publish -q 1 -l -t "$version/sleep"
mosquitto_sub -h "$host" -p "$port" -V "$version" -c -i "$version-sleeper" -q 1 -t "$version/sleep" -C 50 -W 20 > "$work/sleeper"
same "$version a session that persists gets what came while it was away" "$(seq 1 50)" "$(cat "$work/sleeper")"
# The session ends when its client connects with Clean Session.
mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-sleeper" -t "$version/unused" -E
publish -q 1 -t "$version/sleep" -m lost
subscriber sleeper_again -c -i "$version-sleeper" -q 1 -t "$version/sleep" -C 1
publish -q 1 -t "$version/sleep" -m new
same "$version Clean Session ends a session" "$version/sleep 1 0 new|" "$(messages sleeper_again)"
mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-sleeper" -t "$version/unused" -E

subscriber order -q 2 -t "$version/order" -C 500
seq 1 500 | publish -q 2 -l -t "$version/order"
messages order > /dev/null
same "$version order of 500 messages with QoS 2" "$(seq 1 500)" "$(grep '^MSG ' "$work/order" | awk '{ print $5 }')"

if [ ! -f "$work/large" ]; then head -c 1000000 /dev/urandom > "$work/large"; fi
for qos in 0 2; do
    mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-large" -c -q $qos -t "$version/large" -E
    mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-large" -c -q $qos -t "$version/large" -t "$version/large-ready" \
        -N -C 1 -W 30 > "$work/large.out" &
    large=$!
    # Retained, so that it does not matter who is first.
    publish -r -q $qos -t "$version/large" -f "$work/large"
    wait $large
    publish -r -n -q 1 -t "$version/large"
    cmp -s "$work/large" "$work/large.out"
    same "$version a payload of 1 MB with QoS $qos" 0 $?
    mosquitto_sub -h "$host" -p "$port" -V "$version" -i "$version-large" -t "$version/unused" -E
done

if [ "$version" != mqttv31 ]; then
    if [ "$version" = mqttv5 ]; then answer='%R'; else answer="$version/answer"; fi
    stdbuf -oL mosquitto_sub -d -h "$host" -p "$port" -V "$version" -t "$version/request" -C 1 -W 20 -F "MSG $answer" > "$work/request" 2>&1 &
    request=$!
    await 10 grep -q 'received SUBACK' "$work/request"
    mosquitto_rr -h "$host" -p "$port" -V "$version" -t "$version/request" -e "$version/answer" -m question -W 20 > "$work/answer" &
    asking=$!
    wait $request
    publish -t "$(grep '^MSG ' "$work/request" | sed 's/^MSG //')" -m 'the answer'
    wait $asking
    same "$version request and response" "the answer" "$(cat "$work/answer")"
fi

if [ "$version" = mqttv5 ]; then
    stdbuf -oL mosquitto_sub -d -h "$host" -p "$port" -V 5 -t v5/properties -C 1 -W 20 \
        -D subscribe subscription-identifier 77 -F 'MSG %P|%C|%R|%D|%F|%S|%p' > "$work/properties" 2>&1 &
    properties=$!
    await 10 grep -q 'received SUBACK' "$work/properties"
    publish -t v5/properties -m x -D publish user-property a b -D publish content-type text -D publish response-topic r \
        -D publish correlation-data c -D publish payload-format-indicator 1 -D publish message-expiry-interval 60
    wait $properties
    same "mqttv5 properties arrive" "MSG a:b|text|r|c|1|77|x" "$(grep '^MSG ' "$work/properties")"

    mosquitto_sub -h "$host" -p "$port" -V 5 -c -x 60 -i v5-expiry -q 1 -t v5/expiry -E
    publish -q 1 -t v5/expiry -m short -D publish message-expiry-interval 1
    publish -q 1 -t v5/expiry -m long -D publish message-expiry-interval 100
    sleep 2.2
    same "mqttv5 an expired message is not delivered" "long" \
        "$(mosquitto_sub -h "$host" -p "$port" -V 5 -c -i v5-expiry -q 1 -t v5/expiry -C 1 -W 20)"
    mosquitto_sub -h "$host" -p "$port" -V 5 -i v5-expiry -t v5/unused -E
fi
