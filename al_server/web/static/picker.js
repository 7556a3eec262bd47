// The classes as buttons, with their keys, and a filter where there are more classes than keys.

import { count, h, percent } from "./dom.js";
import { assignKeys, keyName, matching } from "./keys.js";

const FEW = 6; // these stand one to a line
const SHOWN = 60; // more buttons than this help nobody; the filter finds the rest

export class Picker {
  /**
   * `root` gets the buttons; `filter` is {field, input, count} or null; `onPick(position)` is told
   * of every choice: a label, or in multi-label campaigns a toggle; `onFilter()` of every change there.
   */
  constructor({ root, filter, classes, isMulti, withKeys = true, onPick, onFilter }) {
    Object.assign(this, { root, filter, classes, isMulti, onPick });
    this.keys = assignKeys(classes);
    this.withKeys = withKeys;
    this.buttons = new Map();
    this.selected = new Set();
    this.prediction = null;
    root.classList.toggle("few", classes.length <= FEW);
    if (filter) {
      filter.field.hidden = !this.keys.filtering;
      filter.input.addEventListener("input", () => {
        this.render();
        onFilter?.();
      });
    }
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      // a click is no reason to keep the focus: Enter must go on meaning "accept"
      if (event.detail > 0) button.blur();
      onPick(Number(button.dataset.position));
    });
    this.render();
  }

  /** Names of the selected classes, in the order of the list. */
  get names() {
    return this.classes.filter((_, position) => this.selected.has(position));
  }

  select(names) {
    this.selected = new Set(names.map((name) => this.classes.indexOf(name)));
    for (const [position, button] of this.buttons) this.#mark(position, button);
  }

  toggle(position) {
    if (!this.selected.delete(position)) this.selected.add(position);
    this.#mark(position, this.#button(position));
  }

  /** Show which class is predicted, with its probability. */
  predict(prediction) {
    this.prediction = prediction;
    for (const [position, button] of this.buttons) this.#mark(position, button);
  }

  /** The class just chosen, until the next sample. */
  choose(position) {
    for (const button of this.buttons.values()) button.classList.remove("chosen");
    if (position !== null) this.#button(position).classList.add("chosen");
  }

  get typed() {
    return this.filter?.input.value.trim() ?? "";
  }

  /** The position of the best match of what is typed, or null. */
  get firstMatch() {
    return this.typed ? (matching(this.typed, this.classes)[0] ?? null) : null;
  }

  clearFilter() {
    if (!this.filter || this.filter.input.value === "") return;
    this.filter.input.value = "";
    this.render();
  }

  render() {
    const found = matching(this.typed, this.classes);
    const rest = found.length - SHOWN;
    const shown = found.slice(0, SHOWN).map((position) => this.#button(position));
    shown.forEach((button, order) =>
      button.classList.toggle("first", order === 0 && this.typed !== ""),
    );
    const more =
      rest > 0
        ? [h("p", { className: "hint more" }, `${count(rest)} more: type to find them`)]
        : [];
    const none = found.length
      ? []
      : [h("p", { className: "hint more" }, `No class like “${this.typed}”.`)];
    this.root.replaceChildren(...shown, ...more, ...none);
    if (this.filter)
      this.filter.count.textContent = this.typed ? `${found.length} classes fit` : "";
  }

  #button(position) {
    let button = this.buttons.get(position);
    if (!button) {
      const key = this.withKeys ? this.keys.ofClass[position] : null;
      button = h(
        "button",
        { type: "button", className: "class", data: { position } },
        ...nameAndKey(this.classes[position], key),
        h("span", { className: "class-share figure" }),
      );
      if (key !== null) button.setAttribute("aria-keyshortcuts", key);
      this.buttons.set(position, button);
      this.#mark(position, button);
    }
    return button;
  }

  #mark(position, button) {
    const predicted =
      this.prediction && [this.prediction.label].flat().includes(this.classes[position]);
    button.classList.toggle("predicted", Boolean(predicted));
    // of several classes, the probability is that of one, and nobody says which
    const isOnly = predicted && [this.prediction.label].flat().length === 1;
    button.querySelector(".class-share").textContent = isOnly
      ? percent(this.prediction.probability)
      : "";
    if (this.isMulti) button.setAttribute("aria-pressed", this.selected.has(position));
  }
}

// a name that is its own key is written once, as a key
function nameAndKey(name, key) {
  if (key === name) return [h("kbd", { className: "class-name own" }, name)];
  const text = h("span", { className: "class-name", dir: "auto" }, name);
  return key === null ? [text] : [h("kbd", { "aria-hidden": "true" }, keyName(key)), text];
}
