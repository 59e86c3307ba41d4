// What an operator should look at now, the worst first. Each says what is so, and what it means.

import { bytes, count, plural, time, words } from "./format.js";
import { drops, newest } from "./history.js";

// From here on what waits for a turn is late for everybody on the shard.
const LAG_WARN_NS = 20e6;
const LAG_BAD_NS = 200e6;
const CONNECTIONS_WARN = 0.9;
const BACK_PRESSURE_WARN_MS = 50;
const PENDING_WARN_BYTES = 64e6;

// Why a message was dropped; the names are those of docs/metrics.md.
export const DROP_MEANINGS = {
    expired: "its Message Expiry Interval was over",
    no_member: "no member of the share group could take it",
    queue_full_newest: "the subscriber's queue was full; the newest went",
    queue_full_oldest: "the subscriber's queue was full; the oldest went",
    read_denied: "the subscriber may not read the topic",
    receiver_away: "QoS 0, and the subscriber was away",
    refused_by_receiver: "the subscriber answered with an error",
    retained_full: "no more retained messages are kept",
    session_ended: "the session ended before it was sent",
    shard_full: "the shard's memory was full",
    store_full: "the store was full",
    too_large_for_receiver: "it was larger than the subscriber takes",
    write_denied: "the publisher may not write to the topic",
};

// Entries `{ level: "bad" | "warn", title, text, link }`; the last is where more is to be seen, if it is there.
export function findings(server, ready) {
    const now = newest();
    const found = [
        ...(ready?.reasons ?? []).map(({ reason, message }) => bad(`Not ready: ${words(reason)}`, `${message}.`)),
        ...(server?.listeners ?? []).filter((it) => !it.is_accepting && ready?.is_ready).map(({ url }) =>
            bad("A listener accepts nobody", `${url} takes no new connections.`)),
        ...storeFindings(now),
        ...lagFindings(now),
        ...dropFindings(),
        ...pressureFindings(now, server),
    ];
    return found.sort((one, other) => (one.level === "bad" ? 0 : 1) - (other.level === "bad" ? 0 : 1));
}

export function lagLevel(ns) {
    return ns >= LAG_BAD_NS ? "bad" : ns >= LAG_WARN_NS ? "warn" : "";
}

function storeFindings({ metrics: { store } }) {
    if (!store) return [];
    return [
        !store.accepting && bad("The store takes nothing more", "It is full, or its disk is. Messages that must be kept are refused."),
        store.failures > 0 && bad("The store has failed", `${plural(store.failures, "write")} failed since the start; the log says why.`),
    ].filter(Boolean);
}

function lagFindings({ lag_ns }) {
    return lag_ns.map((ns, shard) => {
        const level = lagLevel(ns);
        return level && { level, title: `Shard ${shard} is late`,
            text: `One turn in a hundred began ${time(ns)} after it could have: the shard has more to do than it can.` };
    }).filter(Boolean);
}

function dropFindings() {
    return drops().filter(({ minute }) => minute > 0).map(({ reason, minute, perSecond }) => {
        const rate = perSecond >= 0.5 ? `, ${count(Math.round(perSecond))} a second now` : "";
        const found = warn(`Messages are dropped: ${words(reason)}`,
            `${plural(minute, "message")} within the last minute${rate}: ${DROP_MEANINGS[reason] ?? words(reason)}.`);
        return reason.startsWith("queue_full") ? { ...found, link: ["#slow", "Who is slow?"] } : found;
    });
}

function pressureFindings({ metrics, rates, connections }, server) {
    const share = server ? connections / server.connections_max : 0;
    return [
        share >= CONNECTIONS_WARN && { level: share >= 1 ? "bad" : "warn", title: "Nearly out of connections",
            text: `${count(connections)} of ${count(server.connections_max)} are open.` },
        rates?.[0]?.refused >= 1 && warn("Clients are turned away",
            `${count(Math.round(rates[0].refused))} connections a second are refused.`),
        rates?.[0]?.backPressure >= BACK_PRESSURE_WARN_MS && warn("Publishers are held back",
            `Shards did not read from clients for ${count(Math.round(rates[0].backPressure))} ms of each second, to catch up.`),
        metrics.store?.pending_bytes >= PENDING_WARN_BYTES && warn("The disk is behind",
            `${bytes(metrics.store.pending_bytes)} wait to be written.`),
    ].filter(Boolean);
}

function bad(title, text) {
    return { level: "bad", title, text };
}

function warn(title, text) {
    return { level: "warn", title, text };
}
