# Metrics: promtool reads the page, a real Prometheus scrapes it with the token, mosquitto_sub reads the $SYS topics. Read by
# tests/interop/run.

start_metrics() {
    openssl rand -hex 32 > "$work/admin-token"
    chmod 600 "$work/admin-token"
    cat > "$work/metrics.toml" << END
listen = ["tcp://127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
token_file = "$work/admin-token"
[observe]
sys_interval = "1s"
END
    "$1" serve --config "$work/metrics.toml" --data-dir "$work/metrics-data" --shards 2 --log info --log-format json \
        > "$work/metrics.log" 2>&1 &
    metrics=$!
    await 20 grep -q 'administration at' "$work/metrics.log" || { cat "$work/metrics.log"; return 1; }
    host=127.0.0.1
    port=$(grep -m1 'is ready' "$work/metrics.log" | grep -o 'tcp://127.0.0.1:[0-9]*' | sed 's/.*://')
    admin=$(grep -m1 -o 'http://127.0.0.1:[0-9]*' "$work/metrics.log" | sed 's|http://||')
}

page() { curl -sf -H "Authorization: Bearer $(cat "$work/admin-token")" "http://$admin/metrics"; }
sys() { timeout 10 mosquitto_sub -h "$host" -p "$port" -V mqttv5 -t "\$SYS/broker/$1" -C 1 -N; }
sys_is() { [ "$(sys "$1")" = "$2" ]; }

check_metrics() {
    version=mqttv5
    mosquitto_sub -h "$host" -p "$port" -V mqttv5 -t '#' -F '%t' > "$work/root" &
    local root=$!
    await 10 sys_is subscriptions/count 2
    same "\$SYS tells subscriptions, with the one that asks" 0 $?
    publish -t a -m four -q 1
    publish -t a -m four -q 0
    await 10 sys_is publish/bytes/received 8
    same "\$SYS tells the bytes of payloads" 0 $?
    case "$(sys version)" in "RingMQ version "*) ok "\$SYS tells the version" ;; *) fail "\$SYS tells the version" ;; esac
    same "\$SYS is nobody else's" 135 "$(publish -t '$SYS/broker/version' -m forged -q 1 -d 2>&1 | grep -o 'rc[ :]*[0-9]*' | tail -1 | grep -o '[0-9]*$')"
    kill $root
    wait $root 2> /dev/null
    same "a subscription to # gets no \$SYS" "a a" "$(tr '\n' ' ' < "$work/root" | sed 's/ $//')"

    same "no metrics without the token" 401 "$(curl -s -o /dev/null -w '%{http_code}' "http://$admin/metrics")"
    page > "$work/page"
    promtool check metrics < "$work/page" > "$work/promtool.log" 2>&1
    completed "promtool finds nothing wrong with /metrics" $? || cat "$work/promtool.log"
    same "promtool says nothing" "" "$(cat "$work/promtool.log")"

    local prometheus_port=$((20000 + RANDOM % 20000))
    cat > "$work/prometheus.yml" << END
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: ringmq
    authorization: { type: Bearer, credentials_file: $work/admin-token }
    static_configs: [{ targets: ["$admin"] }]
END
    prometheus --config.file "$work/prometheus.yml" --storage.tsdb.path "$work/prometheus" --web.listen-address "127.0.0.1:$prometheus_port" \
        > "$work/prometheus.log" 2>&1 &
    prometheus=$!
    query() { promtool query instant "http://127.0.0.1:$prometheus_port" "$1" 2> /dev/null; }
    asks() { query "$1" | grep -q "=> $2 "; }
    await 30 asks 'up{job="ringmq"}' 1
    same "Prometheus scrapes with the token" 0 $?
    await 10 asks 'sum(ringmq_publishes_received_total)' 3
    same "Prometheus has what was published" 0 $?
    await 10 asks 'count(ringmq_loop_lag_seconds_count)' 2
    same "Prometheus has a histogram of each shard" 0 $?
}

if start_metrics "${RINGMQ_BINARY:-target/release/ringmq}"; then
    check_metrics
else
    fail "the broker with metrics starts"
fi
for process in $prometheus $metrics; do
    kill "$process"
    wait "$process" 2> /dev/null
done
prometheus= metrics=
