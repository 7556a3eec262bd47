// Who is labeling: asked once, kept in this browser, changed at any time.

import { byId } from "./dom.js";

const SLOT = "al-annotator";

export function storedAnnotator() {
  return localStorage.getItem(SLOT);
}

/** Ask for the name; resolves to it, or to the one there was when the dialog is dismissed. */
export function askAnnotator() {
  const dialog = byId("who-dialog");
  const field = byId("who-field");
  const before = storedAnnotator();
  field.value = before ?? "";
  dialog.returnValue = "";
  dialog.querySelector("button[type=submit]").textContent = before ? "Change" : "Start labeling";
  return new Promise((resolve) => {
    // without a name there is nothing to dismiss to
    dialog.oncancel = (event) => before || event.preventDefault();
    dialog.onclose = () => resolve(storedAnnotator() ?? askAnnotator());
    dialog.querySelector("form").onsubmit = (event) => {
      const name = field.value.trim();
      if (name) localStorage.setItem(SLOT, name);
      else event.preventDefault();
    };
    dialog.showModal();
    field.select();
  });
}
