// MQTT.js over TLS and WebSocket: MODULE DIRECTORY_OF_CERTIFICATES; the ports are in the environment.
"use strict";

const assert = require("node:assert");
const crypto = require("node:crypto");
const { once } = require("node:events");
const fs = require("node:fs");

const [module_, directory] = process.argv.slice(2);
const mqtt = require(module_);
const timeMax = 15_000;
const read = (name) => fs.readFileSync(`${directory}/${name}`);
const ca = read("authority.pem");
const { tls_port, mutual_port, ws_port, wss_port, password_port } = process.env;
const ways = {
    mqtts: [`mqtts://localhost:${tls_port}`, { ca }],
    "mqtts with a certificate": [
        `mqtts://localhost:${mutual_port}`,
        { ca, cert: read("client.pem"), key: read("client.key") },
    ],
    ws: [`ws://localhost:${ws_port}/mqtt`, {}],
    wss: [`wss://localhost:${wss_port}/mqtt`, { ca }],
    password: [`mqtt://localhost:${password_port}`, { username: "anna", password: "right" }],
};

function inTime(promise, what) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what}: too late`)), timeMax)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function connect(way, protocolVersion) {
    const [url, options] = ways[way];
    // Of the machine's addresses, the one that is listened at.
    const client = mqtt.connect(url, { reconnectPeriod: 0, protocolVersion, family: 4, ...options });
    client.on("error", () => {});
    await inTime(once(client, "connect"), `${way}: CONNACK`);
    return client;
}

function call(client, method, ...values) {
    const done = (resolve, reject) => client[method](...values, (error, result) => (error ? reject(error) : resolve(result)));
    return inTime(new Promise(done), method);
}

async function fromTo(source, target, protocolVersion) {
    const topic = `transports/${module_}/${source}/${target}`;
    const subscriber = await connect(target, protocolVersion);
    const publisher = await connect(source, protocolVersion);
    await call(subscriber, "subscribe", topic, { qos: 2 });
    for (const [qos, payload] of [[0, Buffer.from("0")], [1, Buffer.from("1")], [2, Buffer.from("2")], [1, crypto.randomBytes(1_000_000)]]) {
        const message = inTime(once(subscriber, "message"), "a message");
        await call(publisher, "publish", topic, payload, { qos });
        assert.ok((await message)[1].equals(payload));
    }
    for (const client of [publisher, subscriber]) {
        await inTime(new Promise((resolve) => client.end(false, {}, resolve)), "end");
    }
}

async function wrongPassword() {
    const client = mqtt.connect(`mqtt://localhost:${password_port}`, {
        reconnectPeriod: 0, family: 4, protocolVersion: 5, username: "anna", password: "wrong",
    });
    const [error] = await inTime(once(client, "error"), "a refusal");
    assert.strictEqual(error.code, 0x86);
    client.end(true);
}

async function main() {
    let failed = 0;
    const check = async (name, run) => {
        try {
            await run();
            console.log(`ok ${module_} ${name}`);
        } catch (error) {
            failed += 1;
            console.log(`FAIL ${module_} ${name}: ${error}`);
        }
    };
    const names = Object.keys(ways);
    for (const [number, source] of names.entries()) {
        for (const protocolVersion of [4, 5]) {
            const target = names[(number + 1) % names.length];
            await check(`from ${source} to ${target}, version ${protocolVersion}`, () => fromTo(source, target, protocolVersion));
        }
    }
    await check("a wrong password", wrongPassword);
    process.exit(failed > 0 ? 1 : 0);
}

main();
