// The page: which view is shown, and what is asked of the server while somebody looks.

import { Failure, Unreachable, get, token } from "./api.js";
import { bans } from "./bans.js";
import { client } from "./client.js";
import { clients } from "./clients.js";
import { askForToken } from "./dialogs.js";
import { element, fill } from "./element.js";
import { span } from "./format.js";
import { newest, record } from "./history.js";
import { overview } from "./overview.js";
import { slow } from "./slow.js";
import { trace } from "./trace.js";

const INTERVAL_MS = 1_000;
// What changes less often is asked for in one of so many rounds.
const SERVER_ROUNDS = 5;
const VIEWS = { overview, clients, client, slow, trace, bans };

const place = (id) => document.getElementById(id);
// What is known of the server beside its figures.
const known = { server: null, ready: null };
let view = null;
let round = 0;
let failures = 0;

// A view is what its function returns: an `element`; `update(known)`, called after each round; and, if it has something to end, `leave()`.
function show() {
    const [name, ...rest] = location.hash.slice(1).split(/[/?]/);
    const make = VIEWS[name] ?? overview;
    view?.leave?.();
    view = make(rest.join("/"));
    view.name = VIEWS[name] ? name : "overview";
    fill(place("view"), view.element);
    for (const link of document.querySelectorAll("nav a")) {
        if (link.hash === `#${view.name === "client" ? "clients" : view.name}`) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
    }
    document.title = `RingMQ – ${document.querySelector("nav a[aria-current]")?.textContent ?? ""}`;
    if (newest()) updated();
    if (round > 0) scrollTo(0, 0);
}

// Asks for what the new view shows beside the figures. What fails now is told of by the next round, which asks again.
async function updated() {
    try {
        await view.update(known);
    } catch (error) {
        if (!(error instanceof Failure || error instanceof Unreachable)) throw error;
    }
}

async function ask() {
    const isServerWanted = round % SERVER_ROUNDS === 0 || known.server === null;
    const [metrics, server, ready] = await Promise.all([
        get("/api/v1/metrics"),
        isServerWanted ? get("/api/v1/server") : known.server,
        isServerWanted ? get("/ready", { accepted: [503] }) : known.ready,
    ]);
    record(metrics);
    Object.assign(known, { server, ready });
    round += 1;
    place("version").textContent = metrics.version;
    place("uptime").textContent = `up ${span(metrics.uptime_ms / 1_000)}`;
    place("forget").hidden = token.get() === null;
    tell(ready.is_ready ? "ok" : "bad", ready.is_ready ? "Ready" : "Not ready");
    await view.update(known);
}

// Asks, and again when an answer is there and the time has come; while nobody looks, it waits.
async function live() {
    for (;;) {
        if (document.hidden) await once(document, "visibilitychange", () => !document.hidden);
        const began = performance.now();
        try {
            await ask();
            failures = 0;
        } catch (error) {
            await explain(error);
        }
        const pause = INTERVAL_MS * Math.min(5, Math.max(1, failures));
        await new Promise((resolve) => setTimeout(resolve, Math.max(50, pause - (performance.now() - began))));
    }
}

async function explain(error) {
    failures += 1;
    if (error instanceof Failure && error.status === 401) {
        tell("bad", "Token needed");
        await askForToken(token.get() === null ? null : "The broker does not take this token.");
        failures = 0;
        round = 0;
        return;
    }
    const since = newest() ? `What you see is of ${new Date(newest().at).toLocaleTimeString("en-GB")}.` : "";
    if (error instanceof Unreachable) {
        tell("bad", "Unreachable", `The broker cannot be reached at ${location.host}: ${error.message}. ${since} Trying again …`);
    } else if (error instanceof Failure) {
        tell("bad", "Refused", `The broker answers ${error.status}, ${error.reason}: ${error.message}. ${since}`);
    } else {
        console.error(error);
        tell("bad", "Mistake", "This page has a mistake; the browser's console says where.");
    }
}

// The state in one word, and what is to be said of it.
function tell(level, word, text = "") {
    const state = place("state");
    if (state.textContent !== word) state.textContent = word;
    state.className = `pill ${level}`;
    const trouble = place("trouble");
    if (trouble.textContent !== text) fill(trouble, text && element("span", {}, text));
    trouble.hidden = text === "";
    document.body.classList.toggle("stale", text !== "");
}

function once(target, event, isSo) {
    return new Promise((resolve) => {
        target.addEventListener(event, function listener() {
            if (!isSo()) return;
            target.removeEventListener(event, listener);
            resolve();
        });
    });
}

// Light or dark, as the system has it until somebody chooses.
function theme() {
    const root = document.documentElement;
    const stored = localStorage.getItem("ringmq-theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
    place("theme").addEventListener("click", () => {
        const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
        root.dataset.theme = now === "dark" ? "light" : "dark";
        localStorage.setItem("ringmq-theme", root.dataset.theme);
    });
}

theme();
place("forget").addEventListener("click", () => {
    token.forget();
    location.reload();
});
addEventListener("hashchange", show);
show();
live();
