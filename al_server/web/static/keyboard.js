// Key presses on the labeling page, passed on as what they mean.

import { h } from "./dom.js";
import { keyName, meaning } from "./keys.js";

const TYPING = "input:not([type=checkbox]), textarea, select";

/**
 * Listen from now on. `keys` as given out by assignKeys; `input` is the filter's; `isOn()` tells
 * whether single keys are wanted; `commands` has a function for each command.
 */
export function listen({ keys, input, isOn, onPick, commands, onEscape }) {
  addEventListener("keydown", (event) => {
    if (isForOthers(event)) return;
    if (event.key === "Escape") onEscape();
    else if (event.target === input) inFilter(event, input, commands);
    else if (isOn() && !isNative(event)) onPress(event, meaning(event.key, keys));
  });

  function onPress(event, meant) {
    if (meant === null) return;
    if (meant.typed) return input.focus(); // the character itself lands there
    event.preventDefault();
    if (event.repeat) return; // a key held down is one press
    if (meant.command) commands[meant.command]();
    else onPick(meant.position);
  }
}

/** Buttons marked data-command run their command, and show the first key that does so too. */
export function wireButtons({ ofCommand }, commands) {
  for (const button of document.querySelectorAll("[data-command]")) {
    const [key] = ofCommand[button.dataset.command] ?? [];
    if (key) button.append(h("kbd", { "aria-hidden": "true" }, keyName(key)));
    button.addEventListener("click", (event) => {
      // a click is no reason to keep the focus: Enter must go on meaning "accept"
      if (event.detail > 0) button.blur();
      commands[button.dataset.command]();
    });
  }
}

// the browser's and the system's own combinations, half-typed characters, dialogs
function isForOthers(event) {
  if (event.defaultPrevented || event.isComposing || event.metaKey) return true;
  // AltGr looks like Ctrl+Alt on some systems, and is how many keyboards write characters
  if ((event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph")) return true;
  return document.querySelector("dialog[open]") !== null;
}

// keys that mean something to the element that has the focus
function isNative({ key, target }) {
  if (target.matches(TYPING)) return true;
  if (key === "Enter") return target.closest("button, a, summary") !== null;
  return key === " " && target.closest("button, summary, [tabindex='0']") !== null;
}

function inFilter(event, input, commands) {
  const leaves = event.key === "Backspace" && input.value === "";
  if (event.key !== "Enter" && !leaves) return;
  event.preventDefault();
  if (leaves) input.blur();
  else if (!event.repeat) commands.accept();
}
