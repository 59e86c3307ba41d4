// The subscribers for which most waits.

import { get, query } from "./api.js";
import { element, fill, panel, table } from "./element.js";
import { CLIENT_COLUMNS, clientCells } from "./clients.js";
import { bytes } from "./format.js";
import { paced } from "./pace.js";

const LIMIT = 50;
const INTERVAL_MS = 1_500;

export function slow() {
    const list = element("div");
    return {
        element: panel("Slow subscribers", "those for which most bytes wait, in their queues and in what the kernel has not taken", list),
        update: paced(INTERVAL_MS, async () => {
            const { clients } = await get(query("/api/v1/slow", { limit: LIMIT }));
            const waiting = clients.filter(({ waiting_bytes }) => waiting_bytes > 0);
            const most = waiting[0]?.waiting_bytes ?? 1;
            const columns = [CLIENT_COLUMNS[0], { title: "Waiting", number: true }, { title: "" },
                { title: "Not taken", number: true, hint: "sent, and not taken by the kernel" }, ...CLIENT_COLUMNS.slice(2)];
            fill(list, table("Slow subscribers", columns, waiting.map((it) => {
                const [name, , ...rest] = clientCells(it);
                const bar = element("meter", { min: 0, max: most, value: it.waiting_bytes, "aria-label": "share of the slowest" });
                return [name, bytes(it.waiting_bytes), bar, bytes(it.connection?.unsent_bytes ?? 0), ...rest];
            }), "Nobody is slow: nothing waits for any connected client."));
        }),
    };
}
