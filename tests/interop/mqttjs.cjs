// MQTT.js in all three versions of the protocol: MODULE HOST PORT. The module is mqtt4 or mqtt5, its major version.
"use strict";

const assert = require("node:assert");
const { once } = require("node:events");

const [module_, host, port] = process.argv.slice(2);
const mqtt = require(module_);
const timeMax = 15_000;
const versions = [
    ["3.1", { protocolId: "MQIsdp", protocolVersion: 3 }],
    ["3.1.1", { protocolId: "MQTT", protocolVersion: 4 }],
    ["5.0", { protocolId: "MQTT", protocolVersion: 5 }],
];

function inTime(promise, what) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${what}: too late`)), timeMax)));
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

async function connect(version, options) {
    const client = mqtt.connect(`mqtt://${host}:${port}`, { reconnectPeriod: 0, ...version, ...options });
    client.waiting = [];
    client.received = [];
    client.on("message", (topic, payload, packet) => {
        client.received.push({ topic, payload: payload.toString(), packet });
        client.waiting.splice(0).forEach((resolve) => resolve());
    });
    client.on("error", () => {});
    [client.connack] = await inTime(once(client, "connect"), "CONNACK");
    return client;
}

function call(client, method, ...values) {
    return inTime(
        new Promise((resolve, reject) =>
            client[method](...values, (error, result) => (error ? reject(error) : resolve(result)))
        ),
        method
    );
}

async function receive(client) {
    while (client.received.length === 0) {
        await inTime(new Promise((resolve) => client.waiting.push(resolve)), "a message");
    }
    return client.received.shift();
}

const end = (client) => inTime(new Promise((resolve) => client.end(false, {}, resolve)), "end");

async function everyQos(name, version) {
    const topic = `${module_}/${name}/qos`;
    const subscriber = await connect(version, { clientId: `js-s-${name}` });
    const publisher = await connect(version, { clientId: `js-p-${name}` });
    const granted = await call(subscriber, "subscribe", topic, { qos: 2 });
    assert.strictEqual(granted[0].qos, 2);
    for (const qos of [0, 1, 2]) {
        await call(publisher, "publish", topic, `q${qos}`, { qos });
        const { payload, packet } = await receive(subscriber);
        assert.deepStrictEqual([payload, packet.qos, packet.retain], [`q${qos}`, qos, false]);
    }
    await end(subscriber);
    await end(publisher);
}

async function retainedAndWill(name, version) {
    const topic = `${module_}/${name}/retained`;
    const will = { topic: `${topic}/will`, payload: Buffer.from("gone"), qos: 1, retain: true };
    const watcher = await connect(version, { clientId: `js-w-${name}` });
    await call(watcher, "subscribe", `${topic}/#`, { qos: 1 });
    const dying = await connect(version, { clientId: `js-d-${name}`, will });
    await call(dying, "publish", topic, "kept", { qos: 1, retain: true });
    assert.strictEqual((await receive(watcher)).payload, "kept");
    dying.stream.destroy();
    assert.strictEqual((await receive(watcher)).payload, "gone");
    const late = await connect(version, { clientId: `js-l-${name}` });
    await call(late, "subscribe", `${topic}/#`, { qos: 1 });
    const both = [await receive(late), await receive(late)];
    assert.deepStrictEqual(both.map(({ payload, packet }) => `${payload} ${packet.retain}`).sort(), ["gone true", "kept true"]);
    await call(late, "publish", topic, "", { retain: true, qos: 1 });
    await call(late, "publish", `${topic}/will`, "", { retain: true, qos: 1 });
    await end(watcher);
    await end(late);
}

async function resumption(name, version) {
    const topic = `${module_}/${name}/session`;
    const options = { clientId: `${module_}-session-${name}`, clean: false };
    if (version.protocolVersion === 5) options.properties = { sessionExpiryInterval: 60 };
    const first = await connect(version, options);
    assert.strictEqual(Boolean(first.connack.sessionPresent), false);
    await call(first, "subscribe", topic, { qos: 1 });
    await end(first);
    const publisher = await connect(version, { clientId: `js-sp-${name}` });
    for (let number = 0; number < 20; number += 1) {
        await call(publisher, "publish", topic, `${number}`, { qos: 1 });
    }
    const second = await connect(version, options);
    // CONNACK of 3.1 has no flag for it.
    if (version.protocolVersion > 3) assert.strictEqual(second.connack.sessionPresent, true);
    for (let number = 0; number < 20; number += 1) assert.strictEqual((await receive(second)).payload, `${number}`);
    await end(second);
    await end(publisher);
    await end(await connect(version, { clientId: `${module_}-session-${name}`, clean: true }));
}

async function unsubscribed(name, version) {
    const topic = `${module_}/${name}/unsubscribed`;
    const client = await connect(version, { clientId: `js-u-${name}` });
    await call(client, "subscribe", [topic, `${topic}/sentinel`]);
    await call(client, "unsubscribe", topic);
    await call(client, "publish", topic, "unwanted", {});
    await call(client, "publish", `${topic}/sentinel`, "wanted", {});
    assert.strictEqual((await receive(client)).payload, "wanted");
    await end(client);
}

async function properties(name, version) {
    if (version.protocolVersion !== 5) return false;
    // Version 4 reads the alias maximum from the options themselves, version 5 from their properties.
    const properties = { topicAliasMaximum: 10, requestResponseInformation: true };
    const client = await connect(version, { clientId: "", topicAliasMaximum: 10, properties });
    assert.ok(client.connack.properties.assignedClientIdentifier);
    const topic = `${module_}/properties`;
    await call(client, "subscribe", topic, { qos: 1, properties: { subscriptionIdentifier: 5 } });
    const sent = {
        payloadFormatIndicator: true,
        messageExpiryInterval: 100,
        responseTopic: "answer",
        correlationData: Buffer.from([0, 1]),
        userProperties: { a: ["1", "2"], b: "3" },
        contentType: "text",
    };
    // Three times: the server may stand a topic alias for the topic from the second on.
    for (let round = 0; round < 3; round += 1) {
        await call(client, "publish", topic, "x", { qos: 1, properties: { ...sent } });
        const got = await receive(client);
        assert.strictEqual(got.topic, topic);
        const { topicAlias, messageExpiryInterval, ...rest } = got.packet.properties;
        assert.ok(messageExpiryInterval > 0 && messageExpiryInterval <= 100);
        const { messageExpiryInterval: _, ...expected } = sent;
        expected.subscriptionIdentifier = 5;
        assert.deepStrictEqual(JSON.parse(JSON.stringify(rest)), JSON.parse(JSON.stringify(expected)));
    }
    // A topic alias of the client's own: once with the topic, then without.
    await call(client, "publish", topic, "alias", { qos: 1, properties: { topicAlias: 1 } });
    assert.strictEqual((await receive(client)).payload, "alias");
    await end(client);
    return true;
}

async function main() {
    for (const [name, version] of versions) {
        for (const check of [everyQos, retainedAndWill, resumption, unsubscribed, properties]) {
            const words = check.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
            const title = `MQTT.js (${module_}) ${name} ${words}`;
            try {
                if ((await check(name, version)) !== false) console.log("ok", title);
            } catch (error) {
                console.log("FAIL", title, String(error).replace(/\s+/g, " "));
            }
        }
    }
    process.exit(0);
}

main();
