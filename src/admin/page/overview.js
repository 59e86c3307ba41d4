// The overview: what is wrong, how much passes, how long it takes, shard by shard.

import { Chart, SPARK_SAMPLES, percentileBar, sparkline } from "./chart.js";
import { element, fill, named, panel, table } from "./element.js";
import { DROP_MEANINGS, findings, lagLevel } from "./findings.js";
import { bytes, count, short, span, time, words } from "./format.js";
import { all, drops, newest, sum } from "./history.js";

const STAGES = [
    ["received_to_routed", "Received → routed", "decoded, matched, and given to its receivers"],
    ["routed_to_queued", "Routed → handed over", "queued for the kernel and for other shards"],
    ["queued_to_written", "Handed over → written", "the kernel has taken it"],
    ["written_to_acknowledged", "Written → acknowledged", "the network, and the client"],
    ["loop_lag", "Loop lag", "work waited for its shard"],
];
const PERCENTILES = [["p50_ns", "p50"], ["p90_ns", "p90"], ["p99_ns", "p99"], ["p999_ns", "p99.9"], ["p9999_ns", "p99.99"], ["max_ns", "max"]];

export function overview() {
    const rate = (name) => (sample) => sample.rates[0]?.[name] ?? null;
    const names = ["findings", "tiles", "latency", "shards", "drops", "rest"];
    const parts = Object.fromEntries(names.map((name) => [name, element("div", { class: name })]));
    const charts = [
        new Chart("Messages", "PUBLISH packets a second", [
            { title: "in", class: "first", value: rate("messagesIn") },
            { title: "out", class: "second", value: rate("messagesOut") },
        ], short, 10),
        new Chart("Bytes", "of MQTT a second", [
            { title: "in", class: "first", value: rate("bytesIn") },
            { title: "out", class: "second", value: rate("bytesOut") },
        ], bytes, 1_000),
        new Chart("Connections", "open", [{ title: "open", class: "first", value: (it) => it.connections }], short, 10),
        new Chart("Loop lag", "p99 of the worst shard, over the last 10 to 20 s", [
            { title: "p99", class: "third", value: (it) => Math.max(...it.lag_ns) },
        ], time, 1_000),
    ];
    return {
        element: element("div", { class: "overview" }, parts.findings, parts.tiles,
            element("div", { class: "charts" }, charts.map((chart) => chart.element)),
            parts.latency, parts.shards, parts.drops, parts.rest),
        update({ server, ready }) {
            if (!newest()) return;
            fill(parts.findings, verdict(findings(server, ready)));
            fill(parts.tiles, tiles(server));
            charts.forEach((chart) => chart.update(all()));
            fill(parts.latency, latency());
            fill(parts.shards, shards(server));
            fill(parts.drops, dropped(), refused());
            fill(parts.rest, listeners(server), levels());
        },
    };
}

function verdict(found) {
    if (found.length === 0) {
        return element("p", { class: "finding ok" }, element("b", {}, "All is well"), element("span", {}, "Nothing needs you now."));
    }
    return found.map(({ level, title, text, link: [href, question] = [] }) =>
        element("p", { class: `finding ${level}` }, element("b", {}, title), element("span", {}, text),
            href && element("a", { href, "data-key": title }, question)));
}

function tiles(server) {
    const { rates, connections, lag_ns } = newest();
    const rate = (name, format) => (rates[0] ? format(rates[0][name]) : "–");
    const recent = all().slice(-SPARK_SAMPLES);
    const history = (value) => recent.map((it) => value(it) ?? null);
    const spark = (name, kind) => sparkline(history((it) => it.rates[0]?.[name]), kind);
    const worst = Math.max(...lag_ns);
    const tile = (title, figure, unit, line, level) => element("div", { class: `tile ${level ?? ""}` },
        element("span", { class: "title" }, title),
        element("span", { class: "figure" }, figure, element("small", {}, unit)), line);
    return [
        tile("Messages in", rate("messagesIn", short), "/s", spark("messagesIn", "first")),
        tile("Messages out", rate("messagesOut", short), "/s", spark("messagesOut", "second")),
        tile("Bytes in", rate("bytesIn", bytes), "/s", spark("bytesIn", "first")),
        tile("Bytes out", rate("bytesOut", bytes), "/s", spark("bytesOut", "second")),
        tile("Connections", count(connections), server ? `of ${count(server.connections_max)}` : "",
            sparkline(history((it) => it.connections), "first")),
        tile("Dropped", rate("drops", short), "/s", spark("drops", "third"), rates[0]?.drops > 0 ? "warn" : ""),
        tile("Loop lag p99", time(worst), "", sparkline(history((it) => Math.max(...it.lag_ns)), "third"), lagLevel(worst)),
    ];
}

function latency() {
    const { metrics } = newest();
    const row = ([title, hint], times) => [
        element("span", {}, title, element("span", { class: "hint" }, hint)),
        percentileBar(times),
        ...PERCENTILES.map(([key]) => (times.count > 0 ? time(times[key]) : "–")),
        short(times.count),
    ];
    const rows = STAGES.map(([key, ...texts]) => row(texts, metrics.total.latency[key].recent));
    if (metrics.store) rows.push(row(["Store commit", "written, and synced if somebody waits for that"], metrics.store.commit.recent));
    const number = (title, hint) => ({ title, number: true, hint });
    return panel("Latency", "the last 10 to 20 seconds, all shards", table("Latency", [
        { title: "Stage" }, { title: "1 µs … 10 s", hint: "median, to p99, to the largest; logarithmic" },
        ...PERCENTILES.map(([, title]) => number(title)), number("Samples"),
    ], rows));
}

function shards(server) {
    const { metrics, rates, lag_ns } = newest();
    const recent = all().slice(-SPARK_SAMPLES);
    const number = (title, hint) => ({ title, number: true, hint });
    const rows = metrics.shards.map((shard, at) => {
        const lag = shard.latency.loop_lag.recent;
        const level = lagLevel(lag_ns[at]);
        const row = [
            String(at), server?.cpus[at] ?? "–",
            count(sum(shard.connections.by_transport)),
            rates[at + 1] ? short(rates[at + 1].messagesIn) : "–", rates[at + 1] ? short(rates[at + 1].messagesOut) : "–",
            count(shard.queued.messages), count(shard.in_flight), bytes(shard.held_bytes),
            `${count(shard.mailbox.depth)} / ${count(shard.mailbox.depth_max)}`,
            time(lag.p50_ns), element("span", { class: level }, time(lag.p99_ns)), time(lag.max_ns),
            sparkline(recent.map((it) => it.lag_ns[at] ?? null), "third"),
        ];
        row.class = level;
        return row;
    });
    return panel("Shards", null, table("Shards", [
        { title: "Shard" }, number("CPU"), number("Connections"), number("In /s", "messages"), number("Out /s", "messages"),
        number("Queued", "messages that wait for clients"), number("In flight", "QoS 1 and 2, not acknowledged to the end"),
        number("Memory", "what counts for limits.shard_bytes_max"), number("Mailbox", "messages of other shards that wait, now / most ever"),
        number("Lag p50"), number("Lag p99"), number("Lag max"), { title: "Lag p99, a minute" },
    ], rows));
}

function dropped() {
    const rows = drops().map(({ reason, count: total, minute, perSecond }) => {
        const row = [
            element("span", {}, words(reason), element("span", { class: "hint" }, DROP_MEANINGS[reason])),
            short(perSecond), count(minute), count(total),
        ];
        row.class = minute > 0 ? "warn" : "";
        return row;
    });
    return panel("Dropped messages", "by reason", table("Dropped messages", [
        { title: "Reason" }, { title: "/s", number: true }, { title: "Last minute", number: true }, { title: "Since the start", number: true },
    ], rows, "Nobody has missed a message."));
}

function refused() {
    const { total } = newest().metrics;
    const of = (group, byReason) => Object.entries(byReason).filter(([, number]) => number > 0)
        .map(([reason, number]) => [words(reason), group, count(number)]);
    const rows = [
        ...of("not let in", total.connections.refused), ...of("handshake", total.handshakes.failed),
        ...of("authentication", total.authentication.denied), ...of("over a limit", { "connections max": total.connections.over_limit }),
        ...of("closed", { "keep alive": total.connections.keep_alive_timeouts, violation: total.violations }),
    ];
    return panel("Refused and closed", "since the start", table("Refused and closed", [
        { title: "Reason" }, { title: "What" }, { title: "Times", number: true },
    ], rows, "Everybody was let in."));
}

function listeners(server) {
    const rows = (server?.listeners ?? []).map((it) => [
        named(it.url), count(it.connections),
        element("span", { class: it.is_accepting ? "pill ok" : "pill bad" }, it.is_accepting ? "accepting" : "closed"),
    ]);
    return panel("Listeners", null, table("Listeners", [
        { title: "Address" }, { title: "Connections", number: true }, { title: "State" },
    ], rows));
}

function levels() {
    const { total, store } = newest().metrics;
    const entries = [
        ["Sessions", `${count(total.sessions.connected)} connected, ${count(total.sessions.away)} away`],
        ["Subscriptions", `${count(total.subscriptions.count)}, ${count(total.subscriptions.shared)} of them shared`],
        ["Retained", `${count(total.retained.messages)}, ${bytes(total.retained.bytes)}`],
        ["Queued for clients", `${count(total.queued.messages)}, ${bytes(total.queued.bytes)}`],
        ["In flight", count(total.in_flight)],
        ["Reading paused", span(total.mailbox.back_pressure_ms / 1_000)],
        ["Store", store ? `${bytes(store.bytes)} written in ${count(store.groups)} groups, ${bytes(store.pending_bytes)} wait` : "none"],
    ];
    return panel("Held", null, element("dl", {}, entries.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)])));
}
