// The labeling page: one sample at a time, from the server's pick to the answer on its disk.
//
// States (on <main data-state>): loading -> ready -> saving -> loading ...; "over" when there is
// nothing to label, "stopped" when the page must be loaded again. Only "ready" takes answers, and
// it begins a moment after the sample was painted: a key pressed twice labels one sample.

import { askAnnotator, storedAnnotator } from "./annotator.js";
import { CampaignApi } from "./api.js";
import { Banner, endScreen, Help, Standing } from "./chrome.js";
import { byId, labelText, percent, sentences } from "./dom.js";
import { Drawer } from "./drawer.js";
import { listen, wireButtons } from "./keyboard.js";
import { Outbox, persist, randomKey } from "./outbox.js";
import { Picker } from "./picker.js";
import { History, Stopwatch } from "./session.js";
import { fit, preload, rendered, settled } from "./stage.js";

const LOOK_AGAIN_MS = 4000;

const main = byId("main");
const campaign = JSON.parse(main.dataset.campaign);
const classes = campaign.classes;
const isMulti = campaign.task === "multi";
const api = new CampaignApi(campaign.name);
const banner = new Banner(byId("banner"));
const standing = new Standing(campaign, api);
const stopwatch = new Stopwatch();
const outbox = new Outbox(api, campaign.name, notSaved);
const drawer = new Drawer(
  { api, classes, isMulti, annotator: () => annotator, onRelabel },
  (kind) => {
    for (const name of ["why", "similar"])
      commandButton(name).setAttribute("aria-pressed", kind === name);
    refit();
  },
);
const filter = { field: byId("filter-field"), input: byId("filter"), count: byId("filter-count") };
const picker = new Picker({
  root: byId("classes"),
  filter,
  classes,
  isMulti,
  onPick,
  onFilter: showAccept,
});
const help = new Help(picker.keys);

let annotator;
let history;
let sample = null;
let returned = []; // ids of samples in hand after undoing, the next to show last
let undone = null; // the answer last taken back
let lookAgain = 0;

function setState(state) {
  main.dataset.state = state;
  // in passing, buttons stay as they are: a disabled one would lose the focus
  if (!isState("ready", "over")) return;
  showAccept();
  commandButton("skip").disabled = !sample;
  commandButton("undo").disabled = history.isEmpty;
}

const isState = (...states) => states.includes(main.dataset.state);
const commandButton = (name) => document.querySelector(`[data-command=${name}]`);

function say(text) {
  byId("status").textContent = text;
}

// -- from the server to the stage ----------------------------------------------------------------

async function advance() {
  clearTimeout(lookAgain);
  // classes were appended meanwhile: keys are given out anew, by a page that knows them
  if (standing.info.classes.length !== classes.length) return location.reload();
  setState("loading");
  let batch;
  try {
    batch = await persist(() => api.next(annotator, Math.max(1, returned.length)), unreachable);
  } catch (error) {
    sample = null; // what is still in view has been answered
    return refused(error);
  }
  banner.hide();
  if (batch.samples.length === 0) return end(batch.reason);
  const wanted = returned.pop();
  await show(batch.samples.find(({ sample_id }) => sample_id === wanted) ?? batch.samples[0]);
  if (batch.preload && sample.kind === "image") preload(batch.preload);
}

async function show(next) {
  const element = await rendered(next);
  sample = next;
  byId("view").replaceChildren(element);
  refit();
  main.dataset.sample = sample.sample_id;
  byId("sample-id").textContent = sample.sample_id;
  stopwatch.start();
  picker.choose(null);
  picker.predict(sample.prediction);
  if (isMulti) picker.select(selectionFor(sample));
  drawer.follow(sample);
  await settled();
  setState("ready");
}

// who takes an answer back wants to mend it, not to give it all over again
function selectionFor({ sample_id, prediction }) {
  const known = undone?.sample_id === sample_id ? undone : prediction;
  return known?.label ? [known.label].flat() : [];
}

function refit() {
  const view = byId("view");
  if (view.firstElementChild) fit(view.firstElementChild, view);
}

/** The accept button says what Enter would do now. */
function showAccept() {
  const match = picker.firstMatch;
  const prediction = sample?.prediction;
  let text = "No prediction yet";
  if (!sample) text = isMulti ? "Submit" : "Accept";
  else if (match !== null) text = `${isMulti ? "Toggle" : "Take"} ${classes[match]}`;
  else if (isMulti) text = `Submit ${labelText(picker.names)}`;
  else if (prediction) text = `Accept ${prediction.label} · ${percent(prediction.probability)}`;
  byId("accept-label").textContent = text;
  commandButton("accept").disabled = !sample || !(isMulti || prediction || match !== null);
}

function end(reason) {
  sample = null;
  delete main.dataset.sample;
  byId("sample-id").textContent = "";
  picker.predict(null);
  picker.choose(null);
  drawer.follow(null);
  byId("view").replaceChildren(endScreen(reason, main.dataset));
  setState("over");
  standing.refresh();
  if (reason === "all_leased") lookAgain = setTimeout(advance, LOOK_AGAIN_MS);
}

// -- from the annotator to the server ------------------------------------------------------------

async function answer(label) {
  if (!isState("ready")) return;
  setState("saving");
  picker.clearFilter();
  const given = {
    sample_id: sample.sample_id,
    label,
    annotator,
    lead_time_s: Math.round(stopwatch.seconds() * 1000) / 1000,
    key: randomKey(),
  };
  let recorded;
  try {
    recorded = await outbox.send(given);
  } catch (error) {
    return refused(error);
  }
  banner.hide();
  history.push(given.sample_id);
  standing.answered(recorded.n_labeled, label !== null);
  say(label === null ? "Skipped" : `Saved: ${labelText(label)}`);
  await advance();
}

function onPick(position) {
  if (!isState("ready")) return;
  if (isMulti) {
    picker.toggle(position);
    picker.clearFilter();
    showAccept();
    return;
  }
  picker.choose(position);
  answer(classes[position]);
}

const commands = {
  accept() {
    if (!isState("ready")) return;
    if (picker.typed) return takeMatch();
    if (isMulti) return answer(picker.names);
    if (!sample.prediction) return;
    picker.choose(classes.indexOf(sample.prediction.label));
    return answer(sample.prediction.label);
  },
  skip: () => answer(null),
  undo,
  why: () => drawer.toggle("why"),
  similar: () => drawer.toggle("similar"),
  help: () => help.toggle(),
  filter: () => filter.input.focus(),
};

function onEscape() {
  if (picker.typed || document.activeElement === filter.input) {
    picker.clearFilter();
    filter.input.blur();
    showAccept();
  } else if (drawer.isOpen) drawer.close();
}

function takeMatch() {
  const position = picker.firstMatch;
  if (position === null) return;
  filter.input.blur();
  onPick(position);
}

async function undo() {
  if (!isState("ready", "over") || history.isEmpty) return;
  clearTimeout(lookAgain);
  setState("saving");
  const sampleId = history.last;
  try {
    undone = await outbox.takeBack(sampleId, annotator);
  } catch (error) {
    if (error.code === "nothing_to_undo") history.pop();
    return refused(error);
  }
  history.pop();
  if (sample) returned.push(sample.sample_id);
  returned.push(sampleId);
  standing.undone(undone?.n_labeled, undone?.label !== null);
  say(undone ? `Taken back: ${labelText(undone.label)}` : "Taken back");
  await advance();
}

function onRelabel(recorded, { label }) {
  say(`Changed to ${labelText(label)}`);
  standing.relabeled(recorded.n_labeled);
}

// -- when something is wrong ---------------------------------------------------------------------

function notSaved(error, attempt, now) {
  banner.retrying(error.status ? `Not saved yet. ${sentences(error)}` : "Not saved yet", now);
}

function unreachable(error, attempt, now) {
  if (error.status || attempt > 1) banner.retrying(sentences(error), now);
}

function refused(error) {
  if (error.code === "not_ready") return waitUntilReady();
  if (error.status === 401) {
    banner.stopped(
      "You are signed out. Your last answer is kept here and goes when you are back.",
      "Sign in",
    );
    return setState("stopped");
  }
  if (error.status === 403) {
    banner.stopped(`${sentences(error)} Your last answer is kept here.`, "Load again");
    return setState("stopped");
  }
  banner.refused(error, sample ? null : advance);
  picker.choose(null);
  return setState(sample ? "ready" : "over");
}

/** A campaign that is not ready is watched on its progress page, which leads back here. */
function waitUntilReady() {
  location.replace(main.dataset.progress);
}

// -- beginning -----------------------------------------------------------------------------------

function takeName(name) {
  annotator = name;
  returned = [];
  history = new History(campaign.name, name);
  byId("who-name").textContent = name;
}

async function begin() {
  wireButtons(picker.keys, commands);
  byId("who").addEventListener("click", async () => {
    takeName(await askAnnotator());
    if (isState("ready", "over")) await advance();
  });
  listen({
    keys: picker.keys,
    input: filter.input,
    isOn: () => help.keysOn,
    onPick,
    commands,
    onEscape,
  });
  new ResizeObserver(refit).observe(byId("view"));
  takeName(storedAnnotator() ?? (await askAnnotator()));
  const { n_saved, refusal } = await outbox.resume();
  if (n_saved) say(`Saved ${n_saved} answer${n_saved === 1 ? "" : "s"} from before`);
  if (refusal) say(`An answer from before was refused. ${sentences(refusal)}`);
  await advance();
}

begin();
