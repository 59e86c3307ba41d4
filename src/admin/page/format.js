// Figures as people read them. All have the width of their digits, so that columns stay aligned while they change.

const COUNT = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(number) {
    return COUNT.format(number);
}

// With at most three significant digits above 10,000: 1,234; 12.3 k; 4.56 M.
export function short(number) {
    if (number < 9_999.5) return number > 0 && number < 9.95 ? trimmed(number) : COUNT.format(number);
    for (const [unit, size] of [["k", 1e3], ["M", 1e6], ["G", 1e9], ["T", 1e12]]) {
        if (number < size * 999.5 || unit === "T") return `${digits(number / size)} ${unit}`;
    }
}

export function bytes(number) {
    if (number < 999.5) return `${COUNT.format(number)} B`;
    for (const [unit, size] of [["kB", 1e3], ["MB", 1e6], ["GB", 1e9], ["TB", 1e12]]) {
        if (number < size * 999.5 || unit === "TB") return `${digits(number / size)} ${unit}`;
    }
}

// From nanoseconds.
export function time(ns) {
    if (ns < 1) return "0";
    if (ns < 999.5) return `${digits(ns)} ns`;
    for (const [unit, size] of [["µs", 1e3], ["ms", 1e6], ["s", 1e9]]) {
        if (ns < size * 999.5 || unit === "s") return `${digits(ns / size)} ${unit}`;
    }
}

// From seconds: 4 d 03 h, 12 min 05 s.
export function span(seconds) {
    const whole = Math.floor(seconds);
    const two = (number) => String(number).padStart(2, "0");
    if (whole < 60) return `${whole} s`;
    if (whole < 3_600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${two(Math.floor(whole / 60) % 60)} min`;
    return `${Math.floor(whole / 86_400)} d ${two(Math.floor(whole / 3_600) % 24)} h`;
}

export function plural(number, one, many = `${one}s`) {
    return `${count(number)} ${number === 1 ? one : many}`;
}

// `queue_full_oldest` as words.
export function words(name) {
    return name.replaceAll("_", " ").replaceAll("-", " ");
}

function digits(number) {
    return number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0);
}

function trimmed(number) {
    return number.toFixed(1).replace(/\.0$/, "");
}
