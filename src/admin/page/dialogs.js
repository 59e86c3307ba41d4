// Questions to the operator: the token, and whether something shall really be done.

import { ask, segment, token } from "./api.js";
import { element, named, visible } from "./element.js";

const BAN_TIMES = [["10 minutes", 600], ["1 hour", 3_600], ["1 day", 86_400], ["30 days", 2_592_000], ["until it is lifted", null]];

// Resolves when there is a token to try.
export function askForToken(complaint) {
    const input = element("input", { type: "password", id: "token", autocomplete: "off", required: true, spellcheck: "false",
        "aria-describedby": "complaint" });
    const problem = element("p", { class: "bad", id: "complaint", role: "alert" }, complaint ?? "");
    return open([
        element("h2", {}, "The administration needs a token"),
        element("p", { class: "faint" }, "It is in the file that ", element("code", {}, "admin.token_file"),
            " names. It is kept until this tab is closed, and sent to this server only."),
        element("label", { for: "token" }, "Token"), input, problem,
        element("div", { class: "buttons" }, element("button", { class: "primary" }, "Log in")),
    ], {
        isModal: true,
        submit() {
            const value = input.value.trim();
            if (!token.isUsable(value)) {
                problem.textContent = "A token has visible ASCII characters only.";
                return false;
            }
            token.set(value);
            return true;
        },
    });
}

// Whether the client was disconnected.
export function confirmDisconnect(clientId) {
    return confirm("Disconnect this client?", clientId, [
        element("p", { class: "faint" }, "It gets a DISCONNECT with 0x98, Administrative action. Its session stays if it wanted that, and it may come back at once."),
    ], "Disconnect", () => ask("DELETE", `/api/v1/clients/${segment(clientId)}`));
}

// Whether something of it was banned. `subjects` are pairs of a kind and its value.
export function confirmBan(clientId, subjects) {
    const kind = element("select", { id: "ban-kind" }, subjects.map(([name, value], at) =>
        element("option", { value: at }, `${{ client_id: "client id", user_name: "user name", address: "address" }[name]} ${visible(value)}`)));
    const seconds = element("select", { id: "ban-time" }, BAN_TIMES.map(([title, value]) => element("option", { value: value ?? "" }, title)));
    const reason = element("input", { id: "ban-reason", maxlength: 200, placeholder: "for those who look at the list later" });
    return confirm("Ban this client?", clientId, [
        element("p", { class: "faint" }, "Who is connected and matches is disconnected at once, and not let in again."),
        element("label", { for: "ban-kind" }, "Whom"), kind,
        element("label", { for: "ban-time" }, "For how long"), seconds,
        element("label", { for: "ban-reason" }, "Why"), reason,
    ], "Ban", () => {
        const [name, value] = subjects[Number(kind.value)];
        const body = { kind: name, value, reason: reason.value };
        if (seconds.value !== "") body.seconds = Number(seconds.value);
        return ask("POST", "/api/v1/bans", { body });
    });
}

// Whether the ban was lifted.
export function confirmLift({ kind, value }) {
    return confirm("Lift this ban?", value, [], "Lift", () =>
        ask("DELETE", `/api/v1/bans/${kind}/${segment(value)}`));
}

function confirm(title, name, content, verb, act) {
    const problem = element("p", { class: "bad", role: "alert" });
    const cancel = element("button", { type: "button" }, "Cancel");
    const go = element("button", { class: "danger" }, verb);
    return open([
        element("h2", {}, title), element("p", {}, named(name)), ...content, problem,
        element("div", { class: "buttons" }, cancel, go),
    ], {
        cancel,
        async submit() {
            go.disabled = true;
            try {
                await act();
                return true;
            } catch (error) {
                problem.textContent = `Nothing was done: ${error.message}.`;
                go.disabled = false;
                return false;
            }
        },
    });
}

// Shows a form over the page until `submit` says that it is done, or it is left: whether it was done.
function open(content, { submit, cancel, isModal }) {
    const form = element("form", {}, ...content);
    const dialog = element("dialog", {}, form);
    return new Promise((resolve) => {
        const close = (isDone) => {
            removeEventListener("hashchange", leave);
            dialog.close();
            dialog.remove();
            resolve(isDone);
        };
        // Who goes back to another view does not answer.
        const leave = () => isModal || close(false);
        addEventListener("hashchange", leave);
        form.addEventListener("submit", async (event) => {
            event.preventDefault();
            if (await submit()) close(true);
        });
        cancel?.addEventListener("click", () => close(false));
        dialog.addEventListener("cancel", (event) => {
            event.preventDefault();
            if (!isModal) close(false);
        });
        document.body.append(dialog);
        dialog.showModal();
    });
}
