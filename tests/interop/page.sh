# The page of the administration in Chromium, with real clients behind it. Read by tests/interop/run.

start_page_broker() {
    openssl rand -hex 32 > "$work/page-token"
    chmod 600 "$work/page-token"
    cat > "$work/page.toml" << END
listen = ["tcp://127.0.0.1:0"]
[admin]
listen = "127.0.0.1:0"
token_file = "$work/page-token"
[limits]
queued_messages_max = 100
END
    "$1" serve --config "$work/page.toml" --data-dir "$work/page-data" --shards 2 --log info --log-format json > "$work/page.log" 2>&1 &
    page_broker=$!
    await 20 grep -q 'administration at' "$work/page.log"
}

if start_page_broker "${RINGMQ_BINARY:-target/release/ringmq}"; then
    RINGMQ_URL=$(grep -m1 'is ready' "$work/page.log" | grep -o 'tcp://127.0.0.1:[0-9]*') \
        RINGMQ_PAGE=$(grep -m1 -o 'http://127.0.0.1:[0-9]*' "$work/page.log") RINGMQ_TOKEN_FILE=$work/page-token RINGMQ_PID=$page_broker \
        NODE_PATH=target/interop/node_modules timeout 240 node $here/page.cjs | tee -a "$results"
    completed "the page in Chromium ran to its end" "${PIPESTATUS[0]}"
else
    cat "$work/page.log"
    fail "the broker with a page starts"
fi
kill "$page_broker" 2> /dev/null
wait "$page_broker" 2> /dev/null
page_broker=
