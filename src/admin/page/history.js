// What the page has seen of the figures: a few minutes, in memory.

export const SPAN_MS = 5 * 60_000;
const SAMPLES_MAX = 400;
// Over which rates are taken: long enough to be read, short enough to be true.
const RATE_MS = 2_500;
const DROPS_MS = 60_000;

// Newest last. Each has the counters of a moment, and the rates since a moment before.
let samples = [];

export function record(metrics) {
    const last = samples.at(-1);
    // The broker was started again: what was counted before has nothing to do with what is counted now.
    if (last && metrics.uptime_ms < last.uptime_ms) samples = [];
    if (last && metrics.time_ms === last.at) return;
    const sample = {
        at: metrics.time_ms,
        uptime_ms: metrics.uptime_ms,
        metrics,
        counters: [metrics.total, ...metrics.shards].map(counters),
        drops: metrics.total.drops,
        connections: sum(metrics.total.connections.by_transport),
        lag_ns: metrics.shards.map((shard) => shard.latency.loop_lag.recent.p99_ns),
    };
    sample.rates = sample.counters.map((_, at) => rates(sample, before(sample.at - RATE_MS), at));
    // Whole answers are large; only the newest is needed.
    if (samples.length > 0) delete samples.at(-1).metrics;
    samples.push(sample);
    samples = samples.slice(-SAMPLES_MAX).filter(({ at }) => at >= sample.at - SPAN_MS - RATE_MS);
}

export function all() {
    return samples;
}

export function newest() {
    return samples.at(-1);
}

// By reason, the most first: how many since the start, a second, and within the last minute that was seen.
export function drops() {
    const now = newest();
    const minute = before(now.at - DROPS_MS);
    const moment = before(now.at - RATE_MS);
    const since = (then, reason) => now.drops[reason] - (then?.drops[reason] ?? now.drops[reason]);
    return Object.entries(now.drops)
        .filter(([, count]) => count > 0)
        .map(([reason, count]) => ({
            reason,
            count,
            minute: since(minute, reason),
            perSecond: moment && now.at > moment.at ? since(moment, reason) / ((now.at - moment.at) / 1_000) : 0,
        }))
        .sort((one, other) => other.minute - one.minute || other.count - one.count);
}

export function sum(byName) {
    return Object.values(byName).reduce((total, count) => total + count, 0);
}

// The newest sample that is at least as old, or else the oldest.
function before(at) {
    return samples.findLast((sample) => sample.at <= at) ?? samples[0];
}

function counters(figures) {
    const messages = ({ qos0, qos1, qos2 }) => qos0 + qos1 + qos2;
    return {
        messagesIn: messages(figures.publishes_received),
        messagesOut: messages(figures.publishes_sent),
        bytesIn: figures.bytes_received,
        bytesOut: figures.bytes_sent,
        drops: sum(figures.drops),
        accepted: figures.connections.accepted,
        refused: sum(figures.connections.refused) + figures.connections.over_limit,
        backPressure: figures.mailbox.back_pressure_ms,
    };
}

// A second each; `null` until there are two samples.
function rates(sample, then, at) {
    if (!then || then.at >= sample.at) return null;
    const seconds = (sample.at - then.at) / 1_000;
    const now = sample.counters[at];
    return Object.fromEntries(Object.entries(now).map(([name, count]) =>
        [name, Math.max(0, count - (then.counters[at]?.[name] ?? count)) / seconds]));
}
