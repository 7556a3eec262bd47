// One sample from the drawer: what is known of it, and a way to correct one's own answer.

import { h, labelText, percent, sentences, smallPicture } from "./dom.js";
import { persist, randomKey } from "./outbox.js";
import { Picker } from "./picker.js";

/** The element; `refresh` is called when an answer was changed. */
export async function detail(sampleId, context, refresh) {
  const info = await context.api.sample(sampleId);
  const mine = info.answers.find((answer) => answer.annotator === context.annotator());
  return h(
    "div",
    { className: "detail" },
    shown(info),
    h("p", {}, standing(info)),
    info.answers.length ? h("ul", { className: "answers" }, info.answers.map(answerLine)) : null,
    mine ? correction(info, mine, context, refresh) : null,
  );
}

function shown({ sample_id, kind, uri, text }) {
  if (kind === "text") return h("p", { className: "text", dir: "auto" }, text ?? "");
  if (kind === "vector") return h("p", { className: "hint" }, "A bare vector: nothing to look at.");
  return h("div", { className: "detail-picture" }, smallPicture(uri, `Sample ${sample_id}`));
}

function standing({ status, label, prediction }) {
  if (status === "labeled") return `Labeled ${labelText(label)}.`;
  const states = {
    pending: "With an annotator now",
    skipped: "Skipped",
    unlabeled: "Not labeled yet",
  };
  const guess = prediction
    ? `; predicted ${labelText(prediction.label)}, ${percent(prediction.probability)}`
    : "";
  return `${states[status]}${guess}.`;
}

function answerLine({ annotator, label, at, lead_time_s: seconds }) {
  const when = new Date(at * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const took = seconds === null ? "" : `, ${seconds.toFixed(1)} s`;
  return h(
    "li",
    {},
    h("strong", {}, annotator),
    ` ${labelText(label)} `,
    h("span", { className: "hint" }, when + took),
  );
}

function correction(info, mine, { api, classes, isMulti, annotator, onRelabel }, refresh) {
  const status = h("p", { className: "hint", role: "status" });
  const save = async (label) => {
    const answer = { sample_id: info.sample_id, label, annotator: annotator(), key: randomKey() };
    status.textContent = "Saving…";
    try {
      const tell = () => (status.textContent = "Not saved yet: trying again…");
      onRelabel(await persist(() => api.record(answer), tell), answer);
      refresh();
    } catch (error) {
      status.textContent = sentences(error);
    }
  };
  const root = h("div", {
    className: "classes small",
    role: "group",
    "aria-label": "Change your answer",
  });
  const filter = filterField();
  const onPick = (position) => (isMulti ? picker.toggle(position) : save(classes[position]));
  const picker = new Picker({ root, filter, classes, isMulti, withKeys: false, onPick });
  const before = mine.label === null ? [] : [mine.label].flat();
  if (isMulti) picker.select(before);
  else before.forEach((name) => picker.choose(classes.indexOf(name)));
  return h(
    "section",
    {},
    h("h3", {}, "Change your answer"),
    filter.field,
    root,
    isMulti
      ? h(
          "button",
          { type: "button", className: "button primary", onclick: () => save(picker.names) },
          "Save",
        )
      : null,
    status,
  );
}

function filterField() {
  const input = h("input", {
    type: "search",
    placeholder: "Type to find a class",
    "aria-label": "Find a class",
  });
  const found = h("span", { className: "sr", "aria-live": "polite" });
  return { input, count: found, field: h("div", { className: "filter" }, input, found) };
}
