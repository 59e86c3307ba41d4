// MQTT.js in a page of headless Chromium, over WebSocket.
//
//   RINGMQ_WEBSOCKET=ws://127.0.0.1:8083/mqtt NODE_PATH=target/interop/node_modules node tests/interop/browser.cjs
//
// CHROMIUM names a browser other than /usr/bin/chromium.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

const url = process.env.RINGMQ_WEBSOCKET;
const timeMax = 15_000;
const flags = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

// What the page has besides MQTT.js. It runs in the browser.
function helpers({ url, timeMax }) {
    const inTime = (promise, what) =>
        Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: too late`)), timeMax))]);
    const once = (client, event) => inTime(new Promise((resolve) => client.once(event, resolve)), event);
    window.connect = async (options) => {
        const client = window.mqtt.connect(url, { reconnectPeriod: 100, ...options });
        client.received = [];
        client.arrived = [];
        client.on("message", (topic, payload, packet) => {
            const waiting = client.arrived.shift();
            const message = { topic, payload, packet };
            if (waiting) waiting(message);
            else client.received.push(message);
        });
        client.on("error", () => {});
        await once(client, "connect");
        return client;
    };
    window.receive = (client) =>
        client.received.length > 0
            ? client.received.shift()
            : inTime(new Promise((resolve) => client.arrived.push(resolve)), "a message");
    window.end = (client) => inTime(client.endAsync(), "end");
    window.once = once;
}

// Each runs in the browser, and gives what is expected of it.
const checks = {
    async "every QoS"(version) {
        const client = await window.connect({ protocolVersion: version });
        await client.subscribeAsync(`browser/${version}/qos`, { qos: 2 });
        const got = [];
        for (const qos of [0, 1, 2]) {
            await client.publishAsync(`browser/${version}/qos`, `q${qos}`, { qos });
            const { payload, packet } = await window.receive(client);
            got.push(`${payload} ${packet.qos}`);
        }
        await window.end(client);
        return [got.join(), "q0 0,q1 1,q2 2"];
    },

    // The browser packs what is written at once into few messages, and the broker's answers likewise.
    async "many small messages"(version) {
        const client = await window.connect({ protocolVersion: version });
        await client.subscribeAsync(`browser/${version}/many`, { qos: 1 });
        const count = 1_000;
        const sent = [];
        for (let number = 0; number < count; number += 1) {
            sent.push(client.publishAsync(`browser/${version}/many`, `${number}`, { qos: 1 }));
        }
        await Promise.all(sent);
        const got = [];
        while (got.length < count) got.push(String((await window.receive(client)).payload));
        await window.end(client);
        return [got.join(), Array.from({ length: count }, (_, number) => `${number}`).join()];
    },

    async "a message of 1 MiB"(version) {
        const client = await window.connect({ protocolVersion: version });
        await client.subscribeAsync(`browser/${version}/large`, { qos: 1 });
        const large = new Uint8Array(1024 * 1024).map((_, position) => (position * 31) % 251);
        await client.publishAsync(`browser/${version}/large`, large, { qos: 1 });
        const { payload } = await window.receive(client);
        await window.end(client);
        const isSame = payload.length === large.length && payload.every((byte, position) => byte === large[position]);
        return [`${payload.length} ${isSame}`, `${large.length} true`];
    },

    async "a connection that breaks"(version) {
        const options = { protocolVersion: version, clientId: `browser-${version}`, clean: false };
        if (version === 5) options.properties = { sessionExpiryInterval: 60 };
        const client = await window.connect(options);
        await client.subscribeAsync(`browser/${version}/again`, { qos: 1 });
        const connected = new Promise((resolve) => client.once("connect", resolve));
        client.stream.destroy();
        const other = await window.connect({ protocolVersion: version });
        await other.publishAsync(`browser/${version}/again`, "meanwhile", { qos: 1 });
        const connack = await connected;
        const { payload } = await window.receive(client);
        await window.end(client);
        await window.end(other);
        await window.end(await window.connect({ ...options, clean: true, properties: {} }));
        return [`${payload} ${connack.sessionPresent}`, "meanwhile true"];
    },

    // A client that takes another's place: the first sees its WebSocket close, and the second stays.
    async "the server closes in order"(version) {
        const first = await window.connect({ protocolVersion: version, clientId: "browser-twice", reconnectPeriod: 0 });
        const closed = window.once(first, "close");
        const second = await window.connect({ protocolVersion: version, clientId: "browser-twice" });
        await closed;
        const still = second.connected;
        await window.end(second);
        return [`${first.connected} ${still}`, "false true"];
    },

    // Without MQTT.js: text is refused with code 1003, a sub-protocol that is not MQTT with the handshake. Whether the page's own
    // close frame went out before the server ended the connection is a matter of time, so `wasClean` says nothing.
    async "what is not MQTT"(_, url) {
        const closing = (socket) => new Promise((resolve) => (socket.onclose = resolve));
        const text = new WebSocket(url, "mqtt");
        text.onopen = () => text.send("text");
        const { code } = await closing(text);
        const { code: refused } = await closing(new WebSocket(url, "soap"));
        return [`${code} ${refused}`, "1003 1006"];
    },
};

async function main() {
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "ringmq-browser-"));
    const browser = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: flags,
    });
    try {
        const page = await browser.newPage();
        await page.addScriptTag({ path: path.join(path.dirname(require.resolve("mqtt5/package.json")), "dist/mqtt.min.js") });
        await page.evaluate(helpers, { url, timeMax });
        for (const version of [4, 5]) {
            for (const [name, check] of Object.entries(checks)) {
                const title = `MQTT.js in Chromium, ${version === 4 ? "3.1.1" : "5.0"}: ${name}`;
                try {
                    const script = `({${check.toString()}})[${JSON.stringify(name)}](${version}, ${JSON.stringify(url)})`;
                    const [actual, expected] = await page.evaluate(script);
                    assert.strictEqual(actual, expected);
                    console.log("ok", title);
                } catch (error) {
                    console.log("FAIL", title, String(error).replace(/\s+/g, " ").slice(0, 500));
                }
            }
        }
    } finally {
        await browser.close();
        fs.rmSync(profile, { recursive: true, force: true });
    }
}

main().then(
    () => process.exit(0),
    (error) => {
        console.log("FAIL MQTT.js in Chromium", String(error).replace(/\s+/g, " "));
        process.exit(1);
    }
);
