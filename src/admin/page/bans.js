// Who is banned.

import { get } from "./api.js";
import { confirmLift } from "./dialogs.js";
import { element, fill, named, panel, table, visible } from "./element.js";
import { span, words } from "./format.js";

export function bans() {
    const list = element("div");
    const refresh = async () => {
        const { bans: found } = await get("/api/v1/bans");
        fill(list, table("Bans", [
            { title: "Kind" }, { title: "Whom" }, { title: "For", number: true }, { title: "Why" }, { title: "" },
        ], found.map((ban) => [
            words(ban.kind), named(ban.value), ban.seconds === null ? "until it is lifted" : span(ban.seconds),
            ban.reason === "" ? "–" : visible(ban.reason),
            element("button", { type: "button", "data-key": `${ban.kind}/${ban.value}`, onclick: async () => {
                if (await confirmLift(ban)) await refresh();
            } }, "Lift …"),
        ]), "Nobody is banned."));
    };
    return { element: panel("Bans", "made by hand, and by the guard against clients that connect again and again", list), update: refresh };
}
