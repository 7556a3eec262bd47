// The form that makes a campaign.

import { CAMPAIGNS, request } from "./api.js";
import { byId, h } from "./dom.js";
import {
  classNames,
  classTrouble,
  followKind,
  isFilledIn,
  showError,
  sourceOf,
  whileSending,
} from "./forms.js";
import { assignKeys, keyName } from "./keys.js";

const form = byId("new-form");
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;
const PREVIEWED = 40;
const TEXTS = ["embedder", "checkpoint", "holdout", "classifier"];
const NUMBERS = ["budget", "overlap", "k", "seed"];

function preview() {
  const names = classNames(form.elements.classes.value);
  const { ofClass, filtering } = assignKeys(names);
  const chips = names.slice(0, PREVIEWED).map((name, position) => {
    const key = ofClass[position];
    return h(
      "li",
      { className: "chip" },
      key ? h("kbd", {}, key === name ? key : keyName(key)) : null,
      key === name ? null : name,
    );
  });
  const rest = names.length - PREVIEWED;
  if (rest > 0) chips.push(h("li", { className: "chip more" }, `${rest} more`));
  if (filtering) chips.push(h("li", { className: "hint" }, "The rest is found by typing."));
  byId("classes-preview").replaceChildren(...chips);
}

function spec() {
  const { name, classes, task, strategy, random_percent, lease_min } = form.elements;
  const made = {
    name: name.value.trim(),
    classes: classNames(classes.value),
    source: sourceOf(form),
    task: task.value,
    strategy: strategy.value,
  };
  for (const field of TEXTS)
    if (form.elements[field].value.trim()) made[field] = form.elements[field].value.trim();
  for (const field of NUMBERS)
    if (form.elements[field].value) made[field] = Number(form.elements[field].value);
  if (random_percent.value) made.random_share = Number(random_percent.value) / 100;
  if (lease_min.value) made.lease_s = Number(lease_min.value) * 60;
  return made;
}

function isSound() {
  if (!isFilledIn(form)) return false;
  const trouble = classTrouble(classNames(form.elements.classes.value));
  if (trouble) showError(form, trouble, "classes");
  const isNamed = NAME.test(form.elements.name.value.trim());
  if (!isNamed)
    showError(form, "Begin with a letter or digit; then letters, digits, . - _ only.", "name");
  return isNamed && !trouble;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isSound()) return;
  whileSending(form, async () => {
    const { name } = await request("POST", CAMPAIGNS, spec());
    location.assign(form.dataset.progress.replace("NAME", encodeURIComponent(name)));
  });
});
form.elements.classes.addEventListener("input", preview);
followKind(form);
preview();
