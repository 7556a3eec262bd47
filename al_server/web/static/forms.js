// What the forms share: class lists, the fields of a source, and errors at the field they are about.

import { sentences } from "./dom.js";

/** Class names, one a line, or separated by commas where everything stands in one line. */
export function classNames(text) {
  const lines = text.trim().split("\n");
  const parts = lines.length > 1 ? lines : lines[0].split(",");
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** What is wrong with a list of classes, or "". */
export function classTrouble(names) {
  if (names.length === 0) return "Name at least one class.";
  const twice = names.find((name, position) => names.indexOf(name) !== position);
  return twice === undefined ? "" : `“${twice}” is there twice.`;
}

/** The source that a form describes; fields left empty are left out. */
export function sourceOf(form) {
  const { kind, path, labels, every, column, content, id_column, label_column } = form.elements;
  const source = { kind: kind.value, path: path.value.trim() };
  if (labels.checked) source.labels = true;
  if (kind.value === "videos" && every.value) source.every = Number(every.value);
  if (kind.value !== "table") return source;
  const table = { column, content, id_column, label_column };
  for (const [name, { value }] of Object.entries(table))
    if (value.trim()) source[name] = value.trim();
  return source;
}

/** Hints and fields follow the kind of source. */
export function followKind(form) {
  const follow = () => {
    const kind = form.elements.kind.value;
    for (const part of form.querySelectorAll("[data-for-kind]"))
      part.hidden = part.dataset.forKind !== kind;
    for (const hint of form.querySelectorAll("[data-images]"))
      hint.textContent = hint.dataset[kind];
    form.elements.labels.disabled = kind === "npy";
    if (kind === "npy") form.elements.labels.checked = false;
  };
  for (const radio of form.elements.kind) radio.addEventListener("change", follow);
  follow();
}

/** Take all errors off a form. */
export function clearErrors(form) {
  for (const field of form.querySelectorAll("[aria-invalid]"))
    field.removeAttribute("aria-invalid");
  for (const place of form.querySelectorAll(".field-error, .form-error")) {
    place.hidden = true;
    place.textContent = "";
  }
}

/** Put an error at a field, or over the form where it is about no single one. */
export function showError(form, text, name = null) {
  const field = name && form.elements[name];
  const place = field && form.querySelector(`#${CSS.escape(field.id)}-error`);
  const target = place || form.querySelector(".form-error");
  target.textContent = text;
  target.hidden = false;
  if (!place) return target.scrollIntoView({ block: "nearest" });
  field.setAttribute("aria-invalid", "true");
  field.closest("details")?.setAttribute("open", "");
  return form.querySelector("[aria-invalid]").focus();
}

/** The browser's own checks, each message at its field; true when all is well. */
export function isFilledIn(form) {
  clearErrors(form);
  const wrong = Array.from(form.elements).filter((field) => field.id && !field.checkValidity());
  for (const field of wrong) showError(form, field.validationMessage, field.name);
  return wrong.length === 0;
}

// the field that an error of this code is about
const FIELDS = {
  already_exists: "name",
  outside_roots: "path",
  bad_source: "path",
  unknown_class: "classes",
};

/** Show what the server said, at the fields where that can be told. */
export function showApiError(form, error) {
  const found = findings(form, error);
  if (found.length) for (const { name, text } of found) showError(form, text, name);
  else showError(form, sentences(error), fieldOf(form, error));
}

// "source.path: too short; budget: not a number" is about two fields
function findings(form, { code, message }) {
  if (code !== "bad_input") return [];
  const parts = message.split("; ").map((part) => /^([\w.[\]]+): (.+)$/s.exec(part));
  if (parts.includes(null)) return [];
  const named = parts.map(([, path, text]) => ({
    name: fieldAt(form, path),
    text: sentences({ message: text }),
  }));
  return named.every(({ name }) => name) ? named : [];
}

function fieldAt(form, path) {
  const name = path
    .replace(/\[\d+\]/g, "")
    .split(".")
    .at(-1);
  const field = { lease_s: "lease_min", random_share: "random_percent" }[name] ?? name;
  return form.elements[field]?.id ? field : null;
}

function fieldOf(form, { code, message }) {
  const quoted = (name) =>
    form.elements[name]?.value && message.includes(form.elements[name].value);
  const path = ["holdout", "checkpoint", "path"].find(quoted);
  if (path) return path;
  if (code === "unknown_plugin") return message.includes("strategy") ? "strategy" : "embedder";
  return FIELDS[code] ?? message.split(/\W+/).find((word) => form.elements[word]?.id) ?? null;
}

/** Run a submission with the button out of reach meanwhile. */
export async function whileSending(form, work) {
  const button = form.querySelector("[type=submit]");
  if (button.disabled) return;
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    showApiError(form, error);
  } finally {
    button.disabled = false;
  }
}
