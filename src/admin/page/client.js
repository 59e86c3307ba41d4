// One client: its connection, its session, what it has missed and why; and what can be done about it.

import { get, segment } from "./api.js";
import { confirmBan, confirmDisconnect } from "./dialogs.js";
import { element, fill, named, panel, table } from "./element.js";
import { DROP_MEANINGS } from "./findings.js";
import { bytes, count, span, words } from "./format.js";

// Why nothing is shown, by the reason of the failure.
const EXPLAINED = {
    "no-such-client": ["There is no such client", "No client of this id is connected, and there is no session of it."],
    "no-segment": ["A browser cannot ask for this client id", "ringmq ctl client and ringmq ctl disconnect can; a ban of it works here, too."],
};

export function client(encoded) {
    const clientId = decoded(encoded);
    const content = element("div");
    const said = element("p", { role: "status", class: "said" });
    let shown = null;

    const disconnect = element("button", { type: "button", class: "danger" }, "Disconnect …");
    const ban = element("button", { type: "button", class: "danger" }, "Ban …");
    disconnect.addEventListener("click", async () => {
        if (await confirmDisconnect(clientId)) { said.textContent = "It was disconnected."; await refresh(); }
    });
    ban.addEventListener("click", async () => {
        if (await confirmBan(clientId, subjects(clientId, shown))) { said.textContent = "It is banned."; await refresh(); }
    });

    const refresh = async () => {
        try {
            shown = await get(`/api/v1/clients/${segment(clientId)}`);
            fill(content, detail(shown));
        } catch (error) {
            const explained = EXPLAINED[error.reason];
            if (!explained) throw error;
            shown = null;
            const [title, text] = explained;
            fill(content, element("p", { class: "finding warn" }, element("b", {}, title), element("span", {}, text)));
        }
        disconnect.disabled = !shown?.is_connected;
    };
    return {
        element: element("div", { class: "client" },
            element("p", {}, element("a", { href: "#clients" }, "← Clients")),
            element("div", { class: "headline" }, element("h1", {}, named(clientId)),
                element("a", { class: "button", href: `#trace/${encodeURIComponent(clientId)}` }, "Trace"), disconnect, ban),
            said, content),
        update: refresh,
    };
}

function detail({ is_connected, shard, connection, session, dropped_by_reason, subscriptions }) {
    return [
        element("div", { class: "pair" },
            panel("Connection", null, connection ? list([
                ["State", element("span", { class: "pill ok" }, "connected")],
                ["Address", named(connection.address)],
                ["Listener", connection.listener ? named(connection.listener) : "–"],
                ["User name", connection.user_name === null ? "–" : named(connection.user_name)],
                ["Protocol", `MQTT ${connection.protocol}${connection.is_bridge ? ", a bridge" : ""}`],
                ["Shard", String(shard)],
                ["Connected for", span(connection.connected_for_s)],
                ["Silent for", `${span(connection.silent_for_s)}, Keep Alive ${connection.keep_alive_s === 0 ? "off" : span(connection.keep_alive_s)}`],
                ["Receive Maximum", count(connection.receive_maximum)],
                ["Maximum Packet Size", connection.maximum_packet_size === null ? "none" : bytes(connection.maximum_packet_size)],
                ["Not taken by the kernel", marked(connection.unsent_bytes > 0, bytes(connection.unsent_bytes))],
            ]) : list([["State", element("span", { class: "pill" }, "away")], ["Shard", String(shard)]])),
            panel("Session", null, list([
                ["Queue", marked(session.queued_messages > 0, `${count(session.queued_messages)} messages, ${bytes(session.queued_bytes)}`)],
                ["In flight", count(session.in_flight)],
                ["Received, not released", count(session.unreleased)],
                ["Dropped", marked(session.dropped > 0, count(session.dropped))],
                ["Subscriptions", count(session.subscriptions)],
                ["Clean Start", session.clean_start ? "yes" : "no"],
                ["Session Expiry", session.expiry_s === null ? "never" : session.expiry_s === 0 ? "with the connection" : span(session.expiry_s)],
                ["Ends in", session.ends_in_s === null ? (is_connected ? "–" : "never") : span(session.ends_in_s)],
                ["Kept on disk", session.is_kept ? "yes" : "no"],
                ["Will", session.has_will ? "yes" : "no"],
            ]))),
        panel("What it did not get", "and could not publish, by reason", table("What it did not get", [
            { title: "Reason" }, { title: "Messages", number: true },
        ], Object.entries(dropped_by_reason).filter(([, number]) => number > 0).map(([reason, number]) => [
            element("span", {}, words(reason), element("span", { class: "hint" }, DROP_MEANINGS[reason])), count(number),
        ]), "It has missed nothing.")),
        panel("Subscriptions", subscriptions.length < session.subscriptions ? `the first ${count(subscriptions.length)}` : null,
            table("Subscriptions", [
                { title: "Topic Filter" }, { title: "QoS", number: true }, { title: "Identifier", number: true },
                { title: "Retain Handling" }, { title: "Options" },
            ], subscriptions.map((it) => [
                named(it.filter), String(it.qos), it.subscription_id === null ? "–" : String(it.subscription_id), words(it.retain_handling),
                [it.no_local && "No Local", it.retain_as_published && "Retain As Published"].filter(Boolean).join(", ") || "–",
            ]), "It has subscribed to nothing.")),
    ];
}

function list(entries) {
    return element("dl", {}, entries.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
}

function marked(isSo, text) {
    return element("span", { class: isSo ? "warn" : "" }, text);
}

// What a ban of this client can be about.
function subjects(clientId, shown) {
    const connection = shown?.connection;
    const found = [["client_id", clientId]];
    if (connection?.user_name) found.push(["user_name", connection.user_name]);
    if (connection && connection.address !== "local") found.push(["address", host(connection.address)]);
    return found;
}

// Without the port: `192.0.2.1:5`, `[2001:db8::1]:5`.
function host(address) {
    return address.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

export function decoded(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text;
    }
}
