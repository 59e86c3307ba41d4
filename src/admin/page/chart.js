// Charts of the last minutes, drawn with SVG.

import { element, fill, svg } from "./element.js";
import { SPAN_MS } from "./history.js";

const HEIGHT = 150;
const MARGIN = { left: 58, right: 8, top: 8, bottom: 20 };
// Samples that lie further apart are not connected: the page was hidden, or the broker away.
const GAP_MS = 5_000;
// Where a time at each minute would leave no room between them.
const NARROW = 480;

// A chart that stays in the page. `series` are `{ title, class, value: (sample) => number | null }`; its scale goes up to `least` at least.
export class Chart {
    constructor(title, note, series, format, least) {
        Object.assign(this, { series, format, least, samples: [], pointed: null });
        this.legend = element("div", { class: "legend" });
        this.drawing = svg("svg", { class: "chart", role: "img", "aria-label": title, height: HEIGHT });
        this.drawing.addEventListener("pointermove", (event) => this.point(event));
        this.drawing.addEventListener("pointerleave", () => { this.pointed = null; this.draw(); });
        this.element = element("section", { class: "panel" },
            element("h2", {}, title, note && element("span", { class: "note" }, note)), this.legend, this.drawing);
    }

    update(samples) {
        this.samples = samples;
        this.draw();
    }

    point(event) {
        const { left } = this.drawing.getBoundingClientRect();
        const at = this.timeAt(event.clientX - left);
        this.pointed = this.samples.reduce((best, sample) =>
            best === null || Math.abs(sample.at - at) < Math.abs(best.at - at) ? sample : best, null);
        this.draw();
    }

    draw() {
        this.width = this.drawing.clientWidth || 600;
        this.now = this.samples.at(-1)?.at ?? 0;
        const values = this.samples.flatMap((sample) => this.series.map(({ value }) => value(sample) ?? 0));
        this.top = rounded(Math.max(this.least, ...values));
        const lines = this.series.flatMap((series, at) => this.line(series, at === 0));
        fill(this.drawing, this.grid(), lines, this.pointed ? this.cross() : []);
        this.writeLegend(this.pointed ?? this.samples.at(-1));
    }

    grid() {
        const levels = [0, 0.5, 1].map((part) => {
            const y = this.y(this.top * part);
            return [
                svg("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y, y2: y }),
                svg("text", { class: "axis", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, level(this.format(this.top * part))),
            ];
        });
        const times = (this.width < NARROW ? [0, 2, 4] : [0, 1, 2, 3, 4, 5]).map((minutes) =>
            svg("text", { class: "axis", x: this.x(this.now - minutes * 60_000), y: HEIGHT - 4,
                "text-anchor": minutes === 0 ? "end" : minutes === 5 ? "start" : "middle" },
            minutes === 0 ? "now" : `−${minutes} min`));
        return [...levels.flat(), ...times];
    }

    line({ class: kind, value }, isFilled) {
        const parts = [[]];
        let last = null;
        for (const sample of this.samples) {
            const number = value(sample);
            if (last && sample.at - last.at > GAP_MS) parts.push([]);
            if (number !== null && number !== undefined && sample.at >= this.now - SPAN_MS) {
                parts.at(-1).push([this.x(sample.at), this.y(number)]);
            }
            last = sample;
        }
        return parts.filter((part) => part.length > 0).flatMap((part) => {
            const path = `M${part.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;
            const floor = this.y(0);
            return [
                isFilled && svg("path", { class: `area ${kind}`, d: `${path}L${part.at(-1)[0]} ${floor}L${part[0][0]} ${floor}Z` }),
                svg("path", { class: `line ${kind}`, d: path }),
            ];
        });
    }

    cross() {
        const x = this.x(this.pointed.at);
        return [
            svg("line", { class: "cross", x1: x, x2: x, y1: MARGIN.top, y2: this.y(0) }),
            ...this.series.map(({ class: kind, value }) =>
                svg("circle", { class: `dot ${kind}`, cx: x, cy: this.y(value(this.pointed) ?? 0), r: 3 })),
        ];
    }

    writeLegend(sample) {
        const when = this.pointed && sample ? element("span", { class: "faint" }, clock(sample.at)) : null;
        fill(this.legend, this.series.map(({ title, class: kind, value }) => {
            const number = sample ? value(sample) : null;
            return element("span", { class: `key ${kind}` }, title, " ",
                element("b", {}, number === null || number === undefined ? "–" : this.format(number)));
        }), when);
    }

    x(at) {
        return MARGIN.left + (1 - (this.now - at) / SPAN_MS) * (this.width - MARGIN.left - MARGIN.right);
    }

    y(value) {
        return HEIGHT - MARGIN.bottom - (value / this.top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    }

    timeAt(x) {
        return this.now - (1 - (x - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * SPAN_MS;
    }
}

// So many samples are about a minute.
export const SPARK_SAMPLES = 60;

// A line as high as text, of so many samples.
export function sparkline(values, kind) {
    const [width, height] = [96, 24];
    const top = Math.max(1e-9, ...values.filter((value) => value !== null));
    const points = values.flatMap((value, at) => {
        if (value === null) return [];
        const x = width - 1 - (values.length - 1 - at) * (width / SPARK_SAMPLES);
        return `${x.toFixed(1)} ${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`;
    });
    return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, preserveAspectRatio: "none", "aria-hidden": "true" },
        points.length > 1 && svg("path", { class: `line ${kind}`, d: `M${points.join("L")}` }));
}

// Percentiles of one stage on a logarithmic scale from 1 µs to 10 s: from the median to the largest, with ticks between.
export function percentileBar(times) {
    const [width, height] = [180, 14];
    const x = (ns) => (Math.min(1, Math.max(0, Math.log10(Math.max(1, ns) / 1e3) / 7)) * (width - 4) + 2).toFixed(1);
    const decades = [0, 1, 2, 3, 4, 5, 6, 7].map((power) => x(1e3 * 10 ** power));
    return svg("svg", { class: "percentiles", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" },
        decades.map((at) => svg("line", { class: "grid", x1: at, x2: at, y1: 0, y2: height })),
        times.count > 0 && [
            svg("line", { class: "reach", x1: x(times.p50_ns), x2: x(times.max_ns), y1: height / 2, y2: height / 2 }),
            svg("line", { class: "body", x1: x(times.p50_ns), x2: x(times.p99_ns), y1: height / 2, y2: height / 2 }),
            svg("circle", { class: "dot first", cx: x(times.p50_ns), cy: height / 2, r: 3 }),
        ]);
}

// 60 kB, and not 60.0 kB: a round figure is exact.
function level(text) {
    return text.replace(/\.0+(?= )/, "").replace(/(\.\d*[1-9])0+(?= )/, "$1");
}

export function clock(ms) {
    return new Date(ms).toLocaleTimeString("en-GB");
}

// The next figure that is not smaller and whose half is easily read, too.
function rounded(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.999) ?? value;
}
