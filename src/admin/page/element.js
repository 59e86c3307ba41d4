// Elements of the page. Text becomes text nodes only, so nothing that a stranger has named can become markup.

const SVG = "http://www.w3.org/2000/svg";

// An element with attributes, functions for events (`onclick`), and children: elements, text, or nothing.
export function element(tag, attributes = {}, ...children) {
    return furnished(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
    return furnished(document.createElementNS(SVG, tag), attributes, children);
}

function furnished(made, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") made.addEventListener(name.slice(2), value);
        else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
    return made;
}

// Replaces what is in an element. What somebody has selected to copy stays; what has the same `data-key` as before keeps the focus, and
// stays where it was scrolled to.
export function fill(container, ...children) {
    const selection = document.getSelection();
    if (selection && !selection.isCollapsed && container.contains(selection.anchorNode)) return;
    const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
    const scrolled = new Map(keyed(container).filter((it) => it.scrollLeft > 0).map((it) => [it.dataset.key, it.scrollLeft]));
    container.replaceChildren(...children.flat().filter(Boolean));
    if (focused === undefined && scrolled.size === 0) return;
    for (const it of keyed(container)) {
        if (it.dataset.key === focused) it.focus({ preventScroll: true });
        if (scrolled.has(it.dataset.key)) it.scrollLeft = scrolled.get(it.dataset.key);
    }
}

function keyed(container) {
    return [...container.querySelectorAll("[data-key]")];
}

// A name that a stranger has chosen: characters that cannot be seen, or that turn the order of others around, are written as
// their numbers, and it does not change the direction of what is around it.
export function named(text, attributes = {}) {
    return element("bdi", { ...attributes, class: `name ${attributes.class ?? ""}` }, visible(text));
}

export function visible(text) {
    if (text === "") return "(empty)";
    return text.replace(
        /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu,
        (it) => `\\u{${it.codePointAt(0).toString(16)}}`,
    );
}

// A link to a client's detail.
export function clientLink(clientId) {
    const attributes = { href: `#client/${encodeURIComponent(clientId)}`, "data-key": `client/${clientId}` };
    return element("a", attributes, named(clientId));
}

// A table. A column has a `title`, and `number` if its cells are aligned as such. Cells are text or elements.
export function table(caption, columns, rows, nothing) {
    const head = columns.map(({ title, number, hint }) =>
        element("th", { scope: "col", class: number ? "number" : "", title: hint }, title));
    const body = rows.map((cells) =>
        element("tr", { class: cells.class }, cells.map((cell, at) =>
            element("td", { class: columns[at].number ? "number" : "" }, cell))));
    const empty = element("tr", {}, element("td", { colspan: columns.length, class: "faint" }, nothing ?? "Nothing."));
    return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption, "data-key": caption },
        element("table", {},
            element("caption", { class: "unseen" }, caption),
            element("thead", {}, element("tr", {}, head)),
            element("tbody", {}, rows.length > 0 ? body : empty)));
}

// A part of a view under a heading.
export function panel(title, note, ...children) {
    return element("section", { class: "panel" },
        element("h2", {}, title, note && element("span", { class: "note" }, note)), ...children);
}
