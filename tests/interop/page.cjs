// The page of the administration in headless Chromium, in front of a broker with clients of MQTT.js.
//
//   RINGMQ_PAGE=http://127.0.0.1:18830 RINGMQ_URL=tcp://127.0.0.1:1883 RINGMQ_TOKEN_FILE=token [RINGMQ_PID=1234] \
//       NODE_PATH=target/interop/node_modules node tests/interop/page.cjs [DIRECTORY FOR SCREENSHOTS]
//
// CHROMIUM names a browser other than /usr/bin/chromium. The checks go in their order, and end with the first that fails: later ones need
// what earlier ones did. With RINGMQ_PID the broker is stopped for a moment, to see what the page says of that.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { chromium } = require("playwright-core");
const mqtt = require("mqtt5");

const { RINGMQ_PAGE: base, RINGMQ_URL: url, RINGMQ_TOKEN_FILE: tokenFile, RINGMQ_PID: pid } = process.env;
const token = fs.readFileSync(tokenFile, "utf8").trim();
const pictures = process.argv[2];
const timeMax = 20_000;
const evil = '<img src=x onerror="window.harmed=1">\u202Egnp.\u0007';
const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"];

const problems = [];
const clients = [];

async function connect(clientId, options = {}) {
    const client = mqtt.connect(url, { clientId, protocolVersion: 5, reconnectPeriod: 0, ...options });
    client.on("error", () => {});
    clients.push(client);
    await new Promise((resolve, reject) => {
        client.once("connect", resolve);
        client.once("close", () => reject(new Error(`${clientId} is not let in`)));
    });
    return client;
}

// Traffic for as long as the test runs, and somebody who does not take what it has subscribed to.
async function makeTraffic() {
    const dashboard = await connect("dashboard", { username: "operator" });
    await dashboard.subscribeAsync("site/#", { qos: 1 });
    const slow = await connect("slow", { properties: { receiveMaximum: 2 } });
    slow.handleMessage = () => {};
    await slow.subscribeAsync("site/#", { qos: 1 });
    const hostile = await connect(evil);
    await hostile.subscribeAsync('<script>window.harmed=1</script>/"');
    for (let number = 0; number < 60; number += 1) await connect(`sensor-${number}`);
    const sensors = clients.slice(-60);
    return setInterval(() => {
        for (const [number, sensor] of sensors.entries()) {
            if (sensor.connected) sensor.publish(`site/${number}/temperature`, `{"value":${20 + number}}`, { qos: number % 2 });
        }
    }, 100);
}

const text = (page, selector) => page.locator(selector).allInnerTexts().then((found) => found.join(" "));
const sees = (page, selector, wanted) => page.locator(selector).filter({ hasText: wanted }).first().waitFor({ timeout: timeMax });
const go = (page, view) => page.click(`nav a[href="#${view}"]`);
const picture = async (page, name) => pictures && page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
const background = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);

const checks = {
    async "asks for the token, and says when it is wrong"(page) {
        await page.goto(base);
        await page.waitForSelector("dialog #token");
        await page.fill("#token", "not-the-token-at-all");
        await page.press("#token", "Enter");
        await sees(page, "dialog", "does not take this token");
        await page.fill("#token", token);
        await page.press("#token", "Enter");
        await page.waitForSelector("dialog", { state: "detached" });
        await sees(page, "#state", "Ready");
        assert.deepStrictEqual(await page.evaluate(() => [Object.values(sessionStorage).length, Object.values(localStorage).length]), [1, 0]);
    },

    async "shows rates"(page) {
        await page.waitForFunction(() => {
            const [messagesIn, messagesOut] = [...document.querySelectorAll(".tile .figure")].map((it) => parseFloat(it.textContent.replace(",", "")));
            return messagesIn > 100 && messagesOut > 100;
        }, null, { timeout: timeMax });
        await page.waitForFunction(() => document.querySelector(".chart .line.first")?.getAttribute("d").split("L").length > 3);
        await sees(page, ".tile", "63");
        await sees(page, ".latency td", "Received → routed");
        assert.strictEqual(await page.locator(".shards tbody tr").count(), 2);
    },

    async "says what is dropped, and why"(page) {
        await sees(page, ".finding.warn", "queue full");
        await sees(page, ".drops td", "queue full");
        await picture(page, "overview-light");
    },

    async "finds clients"(page) {
        await go(page, "clients");
        await sees(page, "tbody", "sensor-");
        assert.strictEqual(await page.locator("tbody tr").count(), 50);
        await page.click("text=More →");
        await sees(page, ".pages", "page 2");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 13);
        await page.click("text=← Earlier");
        await page.getByLabel("Client id contains").fill("sensor-1");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 11);
        await page.getByLabel("Address or network").fill("nonsense");
        await sees(page, ".finding", "cannot be looked for");
        await page.getByLabel("Address or network").fill("");
        await page.getByLabel("Client id contains").fill("");
    },

    async "does nothing that a client id says"(page) {
        await page.getByLabel("Client id contains").fill("onerror");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
        await sees(page, "tbody a", '<img src=x onerror="window.harmed=1">\\u{202e}gnp.\\u{7}');
        await page.click("tbody a");
        await sees(page, "h1", '<img src=x onerror="window.harmed=1">\\u{202e}gnp.\\u{7}');
        await sees(page, "td", '<script>window.harmed=1</script>/"');
        await page.click("text=Ban …");
        await page.locator("dialog option", { hasText: "client id <img" }).waitFor({ state: "attached" });
        await page.keyboard.press("Escape");
        await page.waitForSelector("dialog", { state: "detached" });
        assert.strictEqual(await page.evaluate(() => window.harmed), undefined);
        assert.strictEqual(await page.locator("main img, main script, dialog img").count(), 0);
        await go(page, "clients");
        await page.getByLabel("Client id contains").fill("");
    },

    // Browsers take `..` in a path for the directory above, so this client's own path cannot be asked for.
    async "says that a browser cannot ask for some names"(page) {
        const dots = await connect("..");
        await page.goto(`${base}/#client/..`);
        await sees(page, ".finding", "A browser cannot ask for this client id");
        await sees(page, "#state", "Ready");
        await page.click("text=Ban …");
        const closed = new Promise((resolve) => dots.once("close", resolve));
        await page.selectOption("#ban-time", "600");
        await page.click("dialog .danger");
        await sees(page, ".said", "It is banned.");
        await closed;
        await go(page, "clients");
    },

    async "asks when somebody has typed, and not for each letter"(page) {
        const asked = [];
        const listen = (request) => asked.push(new URL(request.url()).searchParams.get("client_id"));
        page.on("request", listen);
        await page.getByLabel("Client id contains").pressSequentially("sensor-59", { delay: 20 });
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
        page.off("request", listen);
        assert.ok(asked.includes("sensor-59") && asked.filter((it) => it !== null).length < "sensor-59".length, String(asked));
        await page.getByLabel("Client id contains").fill("");
    },

    async "tells who is slow"(page) {
        await go(page, "slow");
        await sees(page, "tbody tr:first-child a", "slow");
        await picture(page, "slow-light");
        await page.click("tbody tr:first-child a");
        await sees(page, "h1", "slow");
        await sees(page, "dd", "100 messages");
        await sees(page, "td", "queue full");
    },

    async "disconnects a client, if that is confirmed"(page) {
        const victim = clients.find((client) => client.options.clientId === "sensor-7");
        await page.goto(`${base}/#client/sensor-7`);
        await sees(page, ".pill.ok", "connected");
        await page.click("text=Disconnect …");
        await page.click("dialog >> text=Cancel");
        assert.ok(victim.connected);
        await page.click("text=Disconnect …");
        await picture(page, "disconnect-light");
        const closed = new Promise((resolve) => victim.once("close", resolve));
        const reason = new Promise((resolve) => victim.once("disconnect", (packet) => resolve(packet.reasonCode)));
        await page.click("dialog .danger");
        await closed;
        assert.strictEqual(await reason, 0x98);
        await sees(page, ".said", "It was disconnected.");
        await sees(page, ".finding", "There is no such client");
    },

    async "bans a client, and lifts the ban"(page) {
        await page.goto(`${base}/#client/sensor-8`);
        await sees(page, ".pill.ok", "connected");
        await page.click("text=Ban …");
        await page.fill("#ban-reason", "<b>loud</b>");
        await page.click("dialog .danger");
        await sees(page, ".said", "It is banned.");
        await assert.rejects(connect("sensor-8"), /not let in/);
        await go(page, "bans");
        const loud = page.locator("tbody tr", { hasText: "<b>loud</b>" });
        await loud.getByText("Lift …").click();
        await page.click("dialog .danger");
        await loud.waitFor({ state: "detached" });
        await connect("sensor-8");
    },

    async "traces, or says that this broker cannot"(page) {
        await page.goto(`${base}/#client/sensor-9`);
        await page.click(".headline >> text=Trace");
        assert.strictEqual(await page.getByLabel("Client id or topic filter").inputValue(), "sensor-9");
        await page.click("text=Start");
        const { status } = await fetch(`${base}/api/v1/trace`, { headers: { Authorization: `Bearer ${token}` } });
        if (status === 404) return sees(page, ".said.bad", "has no live trace");
        await sees(page, "tbody tr", "site/9/temperature");
        assert.match(await text(page, "tbody tr:first-child"), /PUBLISH|PUBACK/);
        await page.click("text=Stop");
        await sees(page, ".said", "Stopped after");
        await page.selectOption(".filters select", "topic");
        await page.getByLabel("Client id or topic filter").fill("site/+/temperature");
        await page.click("text=Start");
        await sees(page, "tbody tr", "sensor-10");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length > 50);
        await picture(page, "trace-light");
    },

    async "has no mistake that the console tells"() {
        // The browser itself tells of the answers that these checks provoke.
        const own = problems.filter((it) => !/the server responded with a status of (400|401|404|501)/.test(it));
        assert.deepStrictEqual(own, []);
    },

    async "is dark, for the system and by hand"(page) {
        await go(page, "overview");
        const light = await background(page);
        await page.emulateMedia({ colorScheme: "dark" });
        const dark = await background(page);
        assert.notStrictEqual(light, dark);
        await page.click("#theme");
        assert.strictEqual(await background(page), light);
        await page.click("#theme");
        assert.strictEqual(await background(page), dark);
        await sees(page, ".tile", "Messages in");
        await page.waitForTimeout(pictures ? 1_500 : 0);
        await picture(page, "overview-dark");
    },

    async "fits on a phone, and goes by keyboard"(page) {
        await page.setViewportSize({ width: 390, height: 844 });
        for (const view of ["overview", "clients", "slow", "trace", "bans"]) {
            await page.focus(`nav a[href="#${view}"]`);
            await page.keyboard.press("Enter");
            await page.waitForFunction((wanted) => document.querySelector("nav a[aria-current]").hash === wanted, `#${view}`);
            const [whole, seen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
            assert.ok(whole <= seen, `${view} is ${whole} wide`);
        }
        await go(page, "clients");
        await sees(page, "tbody a", "sensor-");
        await picture(page, "clients-phone");
        const sizes = await page.locator("tbody a", { hasText: "sensor-" }).evaluateAll((all) => all.map((it) => it.getClientRects().length));
        assert.ok(sizes.every((lines) => lines === 1), `client ids are broken into ${sizes} lines`);
        await go(page, "overview");
        const shards = page.getByRole("region", { name: "Shards" });
        // There is nothing to scroll before the first figures are there, and each round of figures has an element of its own.
        await page.waitForFunction(() => {
            const it = document.querySelector("[data-key=Shards]");
            it?.scrollTo(100, 0);
            return it?.scrollLeft > 0;
        });
        await shards.focus();
        const before = await text(page, "#uptime");
        await page.waitForFunction((then) => document.querySelector("#uptime").textContent !== then, before);
        assert.deepStrictEqual(await shards.evaluate((it) => [it.scrollLeft > 0, it === document.activeElement]), [true, true]);
        await page.setViewportSize({ width: 1400, height: 900 });
    },

    async "asks nothing while nobody looks"(page) {
        const hide = (isHidden) => page.evaluate((value) => {
            Object.defineProperty(document, "hidden", { value, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }, isHidden);
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await hide(true);
        // The round that was under way ends.
        await page.waitForTimeout(2_000);
        asked.length = 0;
        await page.waitForTimeout(2_500);
        assert.deepStrictEqual(asked, []);
        const again = page.waitForRequest(/metrics/);
        await hide(false);
        await again;
    },

    async "says when the broker cannot be reached"(page) {
        if (!pid) return;
        await go(page, "overview");
        await sees(page, "#state", "Ready");
        process.kill(Number(pid), "SIGSTOP");
        try {
            await sees(page, "#trouble", "cannot be reached");
            // Whoever has scrolled down sees it, too.
            await page.evaluate(() => scrollTo(0, 600));
            assert.ok(await page.evaluate(() => scrollY > 0 && document.querySelector("#trouble").getBoundingClientRect().top >= 0));
            await picture(page, "unreachable-dark");
        } finally {
            process.kill(Number(pid), "SIGCONT");
        }
        await sees(page, "#state", "Ready");
        await page.waitForSelector("#trouble", { state: "hidden" });
    },

    async "forgets the token"(page) {
        await page.click("#forget");
        await page.waitForSelector("dialog #token");
        assert.strictEqual(await page.evaluate(() => sessionStorage.length), 0);
    },
};

async function main() {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
    const traffic = await makeTraffic();
    try {
        const context = await browser.newContext({ colorScheme: "light", viewport: { width: 1400, height: 900 } });
        const page = await context.newPage();
        page.setDefaultTimeout(timeMax);
        page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
        page.on("pageerror", (error) => problems.push(String(error)));
        for (const [name, check] of Object.entries(checks)) {
            try {
                await check(page);
                console.log("ok the page", name);
            } catch (error) {
                console.log("FAIL the page", name, String(error).replace(/\s+/g, " ").slice(0, 500));
                break;
            }
        }
    } finally {
        clearInterval(traffic);
        clients.forEach((client) => client.end(true));
        await browser.close();
    }
}

main().then(
    () => process.exit(0),
    (error) => {
        console.log("FAIL the page in Chromium", String(error).replace(/\s+/g, " "));
        process.exit(1);
    }
);
