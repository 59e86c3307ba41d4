// Who is connected, or away with a session: filters, and page by page.

import { get, query } from "./api.js";
import { clientLink, element, fill, named, table } from "./element.js";
import { bytes, count, span } from "./format.js";
import { paced } from "./pace.js";

const LIMIT = 50;
// A page of the server may be short or empty without being the last; so many are put together.
const PARTS_MAX = 20;
const INTERVAL_MS = 2_500;
// Who types is not done yet.
const TYPING_MS = 250;

// What was looked for last, so that it is still there on coming back from a client.
const filter = { client_id: "", user_name: "", address: "", listener: "", connected: "" };

export function clients() {
    const list = element("div");
    const buttons = { back: element("button", { type: "button" }, "← Earlier"), on: element("button", { type: "button" }, "More →") };
    const place = element("span", { class: "faint" });
    // Cursors of the pages up to this one.
    let pages = [""];
    let next = null;
    let typing = null;

    const refresh = async () => {
        const wanted = pages.at(-1);
        const shown = { ...filter };
        try {
            const page = await read(shown, wanted);
            // Another page or filter was asked for meanwhile.
            if (wanted !== pages.at(-1) || JSON.stringify(shown) !== JSON.stringify(filter)) return;
            next = page.next;
            fill(list, clientTable(page.clients));
            place.textContent = `page ${pages.length}`;
        } catch (error) {
            if (!error.status || error.status === 401) throw error;
            fill(list, element("p", { class: "finding warn" }, element("b", {}, "This cannot be looked for"), element("span", {}, error.message)));
        }
        buttons.back.disabled = pages.length === 1;
        buttons.on.disabled = next === null;
    };
    const restart = () => {
        pages = [""];
        clearTimeout(typing);
        typing = setTimeout(turn, TYPING_MS);
    };
    // What fails is told of by the next round. Until there is an answer, it is not known what comes after the page.
    const turn = () => {
        next = null;
        refresh().catch(() => {});
    };
    buttons.back.addEventListener("click", () => { pages.pop(); turn(); });
    buttons.on.addEventListener("click", () => {
        if (next === null) return;
        pages.push(next);
        turn();
    });
    return {
        element: element("section", { class: "panel" }, element("h2", {}, "Clients"), form(restart), list,
            element("div", { class: "pages" }, buttons.back, place, buttons.on)),
        update: paced(INTERVAL_MS, refresh),
        leave: () => clearTimeout(typing),
    };
}

export const CLIENT_COLUMNS = [
    { title: "Client" }, { title: "State" }, { title: "Address" }, { title: "User" }, { title: "MQTT" }, { title: "Shard", number: true },
    { title: "Queued", number: true }, { title: "In flight", number: true }, { title: "Dropped", number: true }, { title: "Silent for", number: true },
];

export function clientCells({ client_id, is_connected, shard, connection, session }) {
    return [
        clientLink(client_id),
        element("span", { class: is_connected ? "pill ok" : "pill" }, is_connected ? "connected" : "away"),
        connection ? named(connection.address) : "–",
        connection?.user_name ? named(connection.user_name) : "–",
        connection?.protocol ?? "–", String(shard),
        element("span", { title: bytes(session.queued_bytes) }, count(session.queued_messages)),
        count(session.in_flight),
        element("span", { class: session.dropped > 0 ? "warn" : "" }, count(session.dropped)),
        connection ? span(connection.silent_for_s) : "–",
    ];
}

function clientTable(found) {
    return table("Clients", CLIENT_COLUMNS, found.map(clientCells), "No client is like that.");
}

async function read(shown, after) {
    const found = [];
    let next = after;
    for (let part = 0; part < PARTS_MAX; part += 1) {
        const page = await get(query("/api/v1/clients", { ...shown, after: next, limit: LIMIT - found.length }));
        found.push(...page.clients);
        next = page.next;
        if (next === null || found.length >= LIMIT) break;
    }
    return { clients: found, next };
}

function form(restart) {
    const field = (name, label, input) => {
        input.value = filter[name];
        input.addEventListener("input", () => { filter[name] = input.value.trim(); restart(); });
        return element("label", {}, label, input);
    };
    const text = (placeholder) => element("input", { type: "search", placeholder, spellcheck: "false", autocomplete: "off" });
    const states = [["", "all"], ["true", "connected"], ["false", "away"]];
    const select = element("select", {}, states.map(([value, title]) => element("option", { value }, title)));
    return element("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
        field("client_id", "Client id contains", text("sensor-")), field("user_name", "User name", text("")),
        field("address", "Address or network", text("192.0.2.0/24")), field("listener", "Listener", text("tls")),
        field("connected", "State", select));
}
