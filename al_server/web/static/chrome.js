// What surrounds the sample on the labeling page: standing, trouble, help, the end.

import { byId, count, h, sentences } from "./dom.js";
import { keyName } from "./keys.js";
import { Counter } from "./session.js";

const REFRESH_MS = 15_000;

/** Labels so far, against the budget where there is one, and the pace of this sitting. */
export class Standing {
  constructor(info, api) {
    this.info = info;
    this.api = api;
    this.counter = new Counter();
    this.#show();
    setInterval(() => document.hidden || this.refresh(), REFRESH_MS);
  }

  answered(n_labeled, counts) {
    if (counts) this.counter.add();
    this.#change(n_labeled, counts ? 1 : 0);
  }

  undone(n_labeled, counted) {
    if (counted) this.counter.remove();
    this.#change(n_labeled ?? this.info.n_labeled, counted ? -1 : 0);
  }

  relabeled(n_labeled) {
    this.#change(n_labeled, 0);
  }

  /** Others label too: now and then the server is asked. */
  async refresh() {
    try {
      this.info = await this.api.info();
      this.#show();
    } catch {
      // a number in a corner is no reason to disturb anybody
    }
  }

  #change(n_labeled, answers) {
    this.info = { ...this.info, n_labeled, n_answers: this.info.n_answers + answers };
    this.#show();
  }

  #show() {
    const { budget, n_answers, n_labeled, n_samples } = this.info;
    const [done, all] = budget === null ? [n_labeled, n_samples] : [n_answers, budget];
    byId("standing").textContent = `${count(done)} of ${count(all)}`;
    byId("standing-bar").max = Math.max(all, 1);
    byId("standing-bar").value = Math.min(done, all);
    byId("session-rate").textContent = this.counter.text();
  }
}

/** One line over the sample when something is wrong. */
export class Banner {
  constructor(root) {
    this.root = root;
  }

  hide() {
    this.root.hidden = true;
  }

  retrying(what, now) {
    const button = h("button", { type: "button", className: "button", onclick: now }, "Try now");
    this.#show("warn", `${what.replace(/\.$/, "")} – retrying…`, button);
  }

  refused(error, again) {
    const button = again
      ? h("button", { type: "button", className: "button", onclick: again }, "Try again")
      : h("button", { type: "button", className: "button", onclick: () => this.hide() }, "Close");
    this.#show("bad", sentences(error), button);
  }

  stopped(message, text) {
    this.#show("bad", message, h("a", { className: "button", href: location.href }, text));
  }

  #show(tone, text, button) {
    this.root.className = `banner ${tone}`;
    this.root.replaceChildren(h("span", {}, text), button);
    this.root.hidden = false;
  }
}

const OFF_SLOT = "al-keys-off";
const COMMAND_WORDS = {
  accept: "Accept the prediction; submit the chosen classes; take the first match of the filter",
  skip: "Skip this sample",
  undo: "Take the last answer back",
  why: "Why this one",
  similar: "Similar samples",
  filter: "Find a class (or just type)",
  help: "This list",
};

/** The list of keys, and the switch that turns them off for those whose tools press keys. */
export class Help {
  constructor({ ofCommand, ofClass, filtering }) {
    this.dialog = byId("help");
    this.toggleBox = byId("keys-on");
    this.toggleBox.checked = this.keysOn;
    this.toggleBox.addEventListener("change", () => {
      if (this.toggleBox.checked) localStorage.removeItem(OFF_SLOT);
      else localStorage.setItem(OFF_SLOT, "1");
    });
    const keyed = ofClass.filter((key) => key !== null).length;
    byId("help-keys").append(
      line([], "A class", filtering ? `on ${keyed} buttons` : "on its button"),
      ...Object.entries(ofCommand).map(([name, keys]) =>
        line(keys.map(keyName), COMMAND_WORDS[name]),
      ),
      line(["Esc"], "Empty the filter; close what is open"),
    );
    this.dialog.addEventListener("keydown", (event) => {
      if (!ofCommand.help.includes(event.key)) return;
      event.preventDefault();
      this.dialog.close();
    });
  }

  get keysOn() {
    return localStorage.getItem(OFF_SLOT) === null;
  }

  toggle() {
    if (this.dialog.open) this.dialog.close();
    else this.dialog.showModal();
  }
}

function line(keys, words, otherwise = "its button only") {
  const written = keys.length ? keys.map((key) => h("kbd", {}, key)) : otherwise;
  return h("div", {}, h("dt", {}, written), h("dd", {}, words));
}

const ENDS = {
  budget_spent: [
    "The budget is spent",
    "Every answer that was paid for has been given. Thank you.",
  ],
  pool_exhausted: [
    "Nothing is left to label",
    "Every sample has its answer, or was skipped. Thank you.",
  ],
  all_leased: [
    "Others are at the last samples",
    "Nothing is free for you right now. This page looks again every few seconds.",
  ],
};

/** What stands on the stage when there is nothing to label; `progress` is that page's address. */
export function endScreen(reason, { progress }) {
  const [title, words] = ENDS[reason] ?? ["Nothing to label", "The server offers no sample."];
  const link = h("a", { className: "button primary", href: progress }, "Progress and export");
  return h(
    "div",
    { className: "end", role: "status", data: { reason } },
    h("h2", {}, title),
    h("p", {}, words),
    reason === "all_leased" ? null : h("div", { className: "actions" }, link),
  );
}
