// Packets as they pass: of one client, or the publishes to some topics.

import { lines, query } from "./api.js";
import { clock } from "./chart.js";
import { clientLink, element, fill, named, table } from "./element.js";
import { bytes, count, words } from "./format.js";
import { decoded } from "./client.js";

// Older ones leave the page.
const SHOWN_MAX = 300;
// What needs nobody's attention.
const FINE = /^(success|sent|queued|waits_for_retained|granted.*|normal.*|continue.*|no_matching_subscribers|no_subscription_existed)$/;

export function trace(encoded) {
    const kind = element("select", { "aria-label": "What" }, element("option", { value: "client_id" }, "Client id"),
        element("option", { value: "topic" }, "Topic filter"));
    const value = element("input", { type: "search", required: true, spellcheck: "false", autocomplete: "off", "aria-label": "Client id or topic filter" });
    const start = element("button", { class: "primary" }, "Start");
    const stop = element("button", { type: "button", disabled: true }, "Stop");
    const said = element("p", { role: "status", class: "said" }, "Nothing is traced.");
    const list = element("div");
    let packets = [];
    let seen = 0;
    let leftOut = 0;
    let stopping = null;
    let isDrawn = true;

    const draw = () => {
        if (isDrawn) return;
        isDrawn = true;
        fill(list, packetTable(packets));
        if (stopping) say(`Tracing: ${count(seen)} packets${leftOut > 0 ? `, and ${count(leftOut)} left out because there were too many` : ""}.`);
    };
    const say = (text, level = "") => {
        said.textContent = text;
        said.className = `said ${level}`;
    };
    const take = (line) => {
        if (line.ended) say(`It has ended: ${line.ended}.`, "warn");
        else if (line.left_out) leftOut += line.left_out;
        else {
            seen += 1;
            packets.unshift(line);
        }
    };
    const run = async () => {
        const mine = new AbortController();
        stopping?.abort();
        stopping = mine;
        [packets, seen, leftOut, isDrawn] = [[], 0, 0, false];
        start.disabled = true;
        stop.disabled = false;
        say("Tracing: nothing has passed yet.");
        fill(list, packetTable([]));
        let last = null;
        try {
            for await (const read of lines(query("/api/v1/trace", { [kind.value]: value.value }), mine.signal)) {
                read.forEach(take);
                packets.length = Math.min(packets.length, SHOWN_MAX);
                last = read.at(-1);
                isDrawn = false;
                requestAnimationFrame(draw);
            }
            if (!last?.ended) say("It has ended: the broker has closed it.", "warn");
        } catch (error) {
            if (error.name === "AbortError") say(`Stopped after ${count(seen)} packets.`);
            else if (error.reason === "unknown-route") say("This broker has no live trace: its version is too old for that.", "bad");
            else say(`It cannot be traced: ${error.message}.`, "bad");
        }
        if (stopping === mine) {
            stopping = null;
            start.disabled = false;
            stop.disabled = true;
        }
    };
    const form = element("form", { class: "filters", onsubmit: (event) => { event.preventDefault(); run(); } }, kind, value, start, stop);
    stop.addEventListener("click", () => stopping?.abort());
    if (encoded) value.value = decoded(encoded);
    fill(list, packetTable([]));
    return {
        element: element("section", { class: "panel trace" }, element("h2", {}, "Live trace",
            element("span", { class: "note" }, "payloads are not shown; the newest packet is first")), form, said, list),
        update() {},
        leave: () => stopping?.abort(),
    };
}

function packetTable(packets) {
    return table("Packets", [
        { title: "Time" }, { title: "Shard", number: true }, { title: "" }, { title: "Client" }, { title: "Packet" }, { title: "What" },
        { title: "QoS", number: true }, { title: "Id", number: true }, { title: "Size", number: true }, { title: "Outcome" },
    ], packets.map((it) => [
        `${clock(it.time_ms)}.${String(it.time_us % 1_000_000).padStart(6, "0")}`, String(it.shard),
        element("span", { class: `way ${it.direction}`, title: it.direction === "in" ? "to the broker" : "from the broker" }, it.direction === "in" ? "→" : "←"),
        it.client_id === "" ? "–" : clientLink(it.client_id), element("b", {}, it.packet), what(it),
        it.qos === undefined ? "" : String(it.qos), it.packet_id === undefined ? "" : String(it.packet_id), bytes(it.size), outcome(it),
    ]), "Packets appear here as they pass.");
}

function what(it) {
    const flags = [
        it.retain && "retain", it.duplicate && "duplicate", it.clean_start && "clean start", it.session_present && "session present",
        it.keep_alive_s !== undefined && `keep alive ${it.keep_alive_s} s`,
        it.payload_size !== undefined && `${bytes(it.payload_size)} of payload`,
    ].filter(Boolean).join(", ");
    const names = [it.topic, ...(it.filters ?? []), it.user_name].filter((name) => name !== undefined && name !== null);
    return element("span", {}, names.flatMap((name) => [named(name), " "]), flags && element("span", { class: "hint" }, flags));
}

function outcome(it) {
    const reasons = [it.reason, ...(it.reasons ?? [])].filter(Boolean);
    const isFine = reasons.every((reason) => FINE.test(reason));
    const text = reasons.map((reason) => words(reason).replace("qos", "QoS ")).join(", ");
    return element("span", { class: isFine ? "" : "warn" }, text, it.reason_string && element("span", { class: "hint" }, named(it.reason_string)));
}
