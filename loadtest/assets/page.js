// Draws the plots that the page holds as JSON. Units and axes are the only knowledge here; what is drawn is decided in Rust.
"use strict";

const HEIGHT = 300;
const DASHES = { solid: [], dashed: [7, 4], dotted: [2, 3] };
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Three digits, without the zeros that say nothing.
const digits = (value) => String(Number(value.toPrecision(3)));

const scaled = (value, units) => {
  const [divisor, unit] = units.find(([least]) => Math.abs(value) >= least) ?? units[units.length - 1];
  return digits(value / divisor) + unit;
};

const FORMATS = {
  microseconds: (value) => scaled(value, [[1e6, " s"], [1e3, " ms"], [1, " µs"]]),
  bytes: (value) => scaled(value, [[2 ** 30, " GiB"], [2 ** 20, " MiB"], [2 ** 10, " KiB"], [1, " B"]]),
  count: (value) => scaled(value, [[1e6, " M"], [1e3, " k"], [1, ""]]),
  cores: (value) => digits(value),
  seconds: (value) => digits(value) + " s",
  // The axis has 1 / (1 - quantile), so that each nine takes the same room. One digit more than there are nines.
  percentile: (value) => String(Number((100 - 100 / value).toFixed(Math.ceil(Math.log10(value))))) + " %",
};

const isLogarithmic = (axis) => axis.unit === "percentile" || axis.logarithmic;

// Of a logarithmic axis: the powers of ten, and some ticks between them where the axis is short.
const shownTicks = (axis) => (u, splits) => {
  const values = splits.filter((value) => value > 0);
  const decades = Math.log10(values[values.length - 1] / values[0]);
  const leading = axis.unit === "percentile" || decades > 3 ? [1] : decades > 1.5 ? [1, 3] : [1, 2, 5];
  return splits.map((value) => {
    const mantissa = Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
    return leading.includes(mantissa) ? value : null;
  });
};

// Bytes get ticks at round numbers of their unit.
const binarySteps = Array.from({ length: 50 }, (_, exponent) => 2 ** exponent);

const axisOptions = (axis, isBelow) => ({
  stroke: () => css("--muted"),
  grid: { stroke: () => css("--grid"), width: 1, ...(isLogarithmic(axis) ? { filter: shownTicks(axis) } : {}) },
  ticks: { stroke: () => css("--grid"), width: 1, ...(isLogarithmic(axis) ? { filter: shownTicks(axis) } : {}) },
  font: "12px system-ui, sans-serif",
  size: isBelow ? 34 : 76,
  values: (u, splits) => splits.map((value) => (value === null ? "" : FORMATS[axis.unit](value))),
  ...(isLogarithmic(axis) ? { filter: shownTicks(axis) } : {}),
  ...(axis.unit === "bytes" ? { incrs: binarySteps } : {}),
});

const scaleOptions = (axis) => {
  if (axis.unit === "percentile") return { time: false, distr: 3, range: (u, min, max) => [1, max] };
  if (axis.logarithmic) {
    return {
      distr: 3,
      range: (u, min, max) => {
        const step = (value) => 10 ** Math.floor(Math.log10(value));
        return [Math.floor(min / step(min)) * step(min), Math.ceil(max / step(max)) * step(max) * (min === max ? 2 : 1)];
      },
    };
  }
  return { time: false, range: (u, min, max) => [axis.from_zero ? 0 : min, axis.from_zero ? Math.max(max * 1.08, 1e-6) : max] };
};

const seriesOptions = (line, axis) => ({
  label: line.label,
  class: line.faint ? "faint" : "shown",
  stroke: () => css(`--line-${line.color}`),
  alpha: line.faint ? 0.3 : 1,
  width: line.faint ? 1 : 2,
  dash: DASHES[line.style],
  spanGaps: true,
  points: { show: line.points.length < 3 },
  value: (u, value) => (value === null || value === undefined ? "–" : FORMATS[axis.unit](value)),
});

const draw = (plot, element) => {
  const data = uPlot.join(plot.lines.map((line) => [line.points.map(([x]) => x), line.points.map(([, y]) => y)]));
  const chart = new uPlot({
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 32, 0, 0],
    scales: { x: { time: false, ...scaleOptions(plot.x) }, y: scaleOptions(plot.y) },
    axes: [axisOptions(plot.x, true), axisOptions(plot.y, false)],
    series: [
      { label: plot.x.label, value: (u, value) => (value === null || value === undefined ? "–" : FORMATS[plot.x.unit](value)) },
      ...plot.lines.map((line) => seriesOptions(line, plot.y)),
    ],
    cursor: { points: { size: 7 } },
  }, data, element);
  new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT })).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    chart.redraw(false, true);
    chart.root.querySelectorAll(".u-legend .u-series").forEach((row, index) => {
      const line = plot.lines[index - 1];
      if (line) row.querySelector(".u-marker").style.borderColor = css(`--line-${line.color}`);
    });
  });
};

const plots = JSON.parse(document.getElementById("plots").textContent);
document.querySelectorAll("[data-plot]").forEach((element) => draw(plots[Number(element.dataset.plot)], element));
