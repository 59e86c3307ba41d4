// Requests to the administration, with the token. It is kept for this tab only, and goes nowhere but into this header.

const KEY = "ringmq-token";
const TIME_MAX_MS = 8_000;

// What the server answers when something is wrong: its reason and its message.
export class Failure extends Error {
    constructor(status, reason, message) {
        super(message);
        this.status = status;
        this.reason = reason;
    }
}

// Nobody answers.
export class Unreachable extends Error {}

export const token = {
    get: () => sessionStorage.getItem(KEY),
    set: (value) => sessionStorage.setItem(KEY, value),
    forget: () => sessionStorage.removeItem(KEY),
    // What a header can carry; the server takes no other.
    isUsable: (value) => /^[\x21-\x7e]+$/.test(value),
};

// The answer to a request as JSON. Statuses in `accepted` are answers, too.
export async function ask(method, path, { body, accepted = [] } = {}) {
    const response = await send(method, path, { body, signal: AbortSignal.timeout(TIME_MAX_MS) });
    if (!response.ok && !accepted.includes(response.status)) throw await failure(response);
    if (response.status === 204) return null;
    return response.json().catch(() => { throw new Unreachable("the answer broke off"); });
}

export const get = (path, options) => ask("GET", path, options);

// The lines of an answer, as they come. The signal ends it.
export async function* lines(path, signal) {
    const response = await send("GET", path, { signal });
    if (!response.ok) throw await failure(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const parts = (rest + value).split("\n");
        rest = parts.pop();
        const read = parts.filter((line) => line !== "").map((line) => JSON.parse(line));
        if (read.length > 0) yield read;
    }
}

// A name as one segment of a path. Browsers take `.` and `..` for directories, however they are written.
export function segment(name) {
    if (name === "." || name === "..") {
        throw new Failure(0, "no-segment", `a browser cannot ask for the name “${name}”, but ringmq ctl can`);
    }
    return encodeURIComponent(name);
}

// A path with parameters; those that are empty are left out.
export function query(path, parameters) {
    const wanted = Object.entries(parameters).filter(([, value]) => value !== "" && value !== undefined && value !== null);
    const text = new URLSearchParams(wanted).toString();
    return text === "" ? path : `${path}?${text}`;
}

async function send(method, path, { body, signal }) {
    const headers = {};
    if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    try {
        return await fetch(path, {
            method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
            cache: "no-store", credentials: "omit", redirect: "error",
        });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Unreachable(error.name === "TimeoutError" ? "no answer in time" : "no connection");
    }
}

async function failure(response) {
    const { reason = "unknown", message = response.statusText } = await response.json().catch(() => ({}));
    return new Failure(response.status, reason, message);
}
