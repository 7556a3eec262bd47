// The page that asks which samples are worth keeping: build once, then slide.

import { CampaignApi, request } from "./api.js";
import { byId, count, h, sentences, smallPicture } from "./dom.js";

const main = byId("main");
const base = `${new CampaignApi(main.dataset.campaign).base}/curation`;
const form = byId("amounts");
const STATES = { not_built: "not-built", building: "building", failed: "failed", ready: "ready" };
const N_SHOWN = 12;
const WAIT_MS = 120; // a slide is many inputs; the last one counts
const FOLLOW_MS = 700;
const BUSY_MS = 2000;

function show(info) {
  main.dataset.state = info.state;
  for (const [state, id] of Object.entries(STATES)) byId(id).hidden = state !== info.state;
  if (info.state === "building") showBuilding(info);
  if (info.state === "failed") byId("reason").textContent = sentences({ message: info.error });
  if (info.state === "ready") {
    byId("stale").hidden = !info.is_stale;
    byId("n-all").textContent = count(info.n_samples);
  }
}

function showBuilding({ progress, message, time_left_s: left }) {
  byId("building").querySelector("progress").value = progress;
  byId("share").textContent = `${Math.floor(100 * progress)}%`;
  byId("doing").textContent = left === null ? message : `${message}, ${timeLeft(left)}`;
}

function timeLeft(seconds) {
  if (seconds < 5) return "some seconds left";
  if (seconds < 100) return `about ${Math.ceil(seconds / 5) * 5} seconds left`;
  return `about ${Math.round(seconds / 60)} minutes left`;
}

async function follow() {
  try {
    const info = await request("GET", `${base}?n=0`);
    trouble(null);
    show(info);
    if (info.state === "building") setTimeout(follow, FOLLOW_MS);
    if (info.state === "ready") ask();
  } catch (error) {
    trouble(error);
    setTimeout(follow, 5 * FOLLOW_MS);
  }
}

function trouble(error) {
  byId("trouble").hidden = error === null;
  byId("trouble").textContent = error === null ? "" : sentences(error);
}

for (const button of document.querySelectorAll("[data-build]")) {
  button.addEventListener("click", async () => {
    try {
      show(await request("POST", base, {}));
      main.querySelector("h1").focus();
      setTimeout(follow, FOLLOW_MS);
    } catch (error) {
      trouble(error);
    }
  });
}
byId("stop").addEventListener("click", async () => {
  show(await request("DELETE", base));
  main.querySelector("h1").focus();
});

// -- amounts ---------------------------------------------------------------------------------

const sliders = ["outliers", "similars", "keep"].map(byId);
const [outliers, similars, keep] = sliders;
const keepBy = byId("keep_by");
const STEP = 0.5;
const MOST_GONE = 99; // percent
// what the person asked for; it is brought to what is possible, and comes back when it is possible
const wanted = Object.fromEntries(sliders.map(({ id, defaultValue }) => [id, Number(defaultValue)]));
wanted.keep = Number(keep.max);
let first = outliers; // of the two that go before, the one moved last; the other makes room

const shown = (slider) => Number(slider.value);
const most = () => 100 - shown(outliers) - shown(similars);
const leavesAll = () => wanted.keep >= most(); // keep is all that the others leave

// what is not kept has to go by something: the three never come to more than all
function settle() {
  const other = first === similars ? outliers : similars;
  first.value = wanted[first.id];
  other.value = Math.min(wanted[other.id], MOST_GONE - shown(first));
  keep.value = Math.min(wanted.keep, most());
  for (const slider of sliders) {
    const number = byId(`${slider.id}-number`);
    if (number !== document.activeElement) number.value = slider.value;
    slider.setAttribute("aria-valuetext", `${slider.value}%`);
  }
  note(other, `${first.id} leave`);
  note(keep, "outliers and similars leave");
}

function note(slider, leave) {
  const asked = wanted[slider.id];
  // all the way to the right is a way to say "the rest"
  const isLess = asked > shown(slider) && asked < Number(slider.max);
  tell(slider, isLess ? `${asked}% was asked for; ${leave} ${slider.value}%.` : "");
}

function tell(slider, said) {
  const element = byId(`${slider.id}-note`);
  if (element.textContent !== said) element.textContent = said;
}

/** The nearest amount that a slider has. */
function possible(slider, value) {
  const inside = Math.min(Number(slider.max), Math.max(Number(slider.min), value));
  return Math.round(inside / STEP) * STEP;
}

function want(slider, value) {
  wanted[slider.id] = possible(slider, value);
  if (slider !== keep) first = slider;
  settle();
  if (wanted[slider.id] !== value) {
    tell(slider, `${value}% became ${slider.value}%: ${slider.min} to ${slider.max}, in steps of ${STEP}.`);
  }
}

function amounts() {
  const asked = new URLSearchParams({ outliers: outliers.value, similars: similars.value });
  if (!leavesAll()) asked.set("keep", keep.value);
  asked.set("keep_by", keepBy.value);
  return asked;
}

// the address has what was asked for, so that a reload, or who is sent it, finds the same
function remember() {
  const asked = amounts();
  asked.delete("keep");
  if (wanted.keep < Number(keep.max)) asked.set("keep", wanted.keep);
  history.replaceState(history.state, "", `?${asked}`);
}

function recall() {
  const given = new URLSearchParams(location.search);
  for (const slider of sliders) {
    const text = given.get(slider.id);
    const value = text === null || text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value)) wanted[slider.id] = possible(slider, value);
  }
  const by = given.get("keep_by");
  if ([...keepBy.options].some(({ value }) => value === by)) keepBy.value = by;
  explain();
  settle();
}

function explain() {
  byId("keep_by-hint").textContent = keepBy.selectedOptions[0].dataset.hint;
}

let timer = null;
let isAsking = false;

function askSoon() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

// one question at a time: while it is answered the sliders may move on
async function ask() {
  if (isAsking) return;
  isAsking = true;
  const asked = amounts();
  byId("went").setAttribute("aria-busy", "true");
  const began = performance.now();
  try {
    const info = await request("GET", `${base}?${asked}&n=${N_SHOWN}&order=last`);
    trouble(null);
    show(info);
    if (info.state === "ready") {
      showResult(info, asked);
      byId("took").textContent = `answered in ${Math.round(performance.now() - began)} ms`;
      main.dataset.answered = asked.toString();
    } else {
      setTimeout(follow, FOLLOW_MS);
    }
  } catch (error) {
    trouble(error);
    if (error.code === "busy") setTimeout(ask, BUSY_MS); // others ask, too: it passes
  }
  isAsking = false;
  byId("went").removeAttribute("aria-busy");
  if (asked.toString() !== amounts().toString()) ask();
}

function changed() {
  remember();
  askSoon();
}

for (const slider of sliders) {
  const number = byId(`${slider.id}-number`);
  slider.addEventListener("input", () => {
    want(slider, shown(slider));
    changed();
  });
  number.addEventListener("input", () => {
    if (number.value === "") return;
    want(slider, Number(number.value));
    changed();
  });
  number.addEventListener("change", () => (number.value = slider.value));
  number.addEventListener("blur", () => (number.value = slider.value));
}
keepBy.addEventListener("change", () => {
  explain();
  changed();
});
form.addEventListener("submit", (event) => event.preventDefault());

byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    byId("copy").textContent = "Copied";
  } catch {
    // without https a page may not copy; marked, the keys of the system do it
    byId("copy").textContent = "Copy";
    getSelection().selectAllChildren(byId("command"));
    byId("command").focus();
  }
});

// -- what stays and goes ---------------------------------------------------------------------

const SHAPES = {
  kept: "M6 0a6 6 0 1 1 0 12a6 6 0 1 1 0-12z",
  outlier: "M2 0L6 4L10 0L12 2L8 6L12 10L10 12L6 8L2 12L0 10L4 6L0 2z",
  similar: "M6 0L12 6L6 12L0 6z",
  rest: "M0 0H12V12H0z",
};
const look = (reason) => (reason in SHAPES ? reason : "rest");

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const mark = (reason) =>
  svg(
    "svg",
    { viewBox: "0 0 12 12", "aria-hidden": "true" },
    svg("path", { d: SHAPES[look(reason)], class: `p-${look(reason)}` }),
  );

function showResult({ n_samples: n, result }, asked) {
  byId("n-kept").textContent = count(result.n_kept);
  const parts = [
    { name: "kept", reason: "kept", size: result.n_kept },
    ...result.steps.map(({ name, reason, n_removed: size }) => ({ name, reason, size })),
  ];
  let x = 0;
  const bars = parts.map(({ reason, size }) => {
    const width = (1000 * size) / n;
    const bar = svg("rect", { x, y: 0, width, height: 20, class: `p-${look(reason)}` });
    x += width;
    return bar;
  });
  byId("bar").replaceChildren(
    svg("svg", { viewBox: "0 0 1000 20", preserveAspectRatio: "none" }, ...bars),
  );
  byId("parts").replaceChildren(
    ...parts.map(({ name, reason, size }) =>
      h(
        "li",
        {},
        mark(reason),
        h("span", {}, name),
        h("strong", { className: "figure" }, count(size)),
        h("span", { className: "hint figure" }, `${((100 * size) / n).toFixed(1)}%`),
      ),
    ),
  );
  byId("kept-file").href = `${base}/kept.txt?${asked}`;
  byId("removed-file").href = `${base}/removed.csv?${asked}`;
  byId("insights-file").href = `${base}/insights.html?${asked}`;
  showReceipts(result.steps.filter(({ removed }) => removed.length));
}

let known = null; // the samples shown before; those that were not are marked

function showReceipts(steps) {
  const shown = new Set(steps.flatMap(({ removed }) => removed.map((one) => one.sample_id)));
  byId("went").replaceChildren(
    ...steps.map(({ name, reason, n_removed: n, removed }) =>
      h(
        "section",
        { className: "step" },
        h("h3", {}, mark(reason), name, h("span", { className: "hint" }, heading(reason, n))),
        h(
          "div",
          { className: `receipts${removed[0].because_of ? "" : " alone"}` },
          removed.map((one) => receipt(one, known !== null && !known.has(one.sample_id))),
        ),
      ),
    ),
  );
  if (!steps.length) byId("went").append(h("p", { className: "hint" }, "Nothing goes."));
  known = shown;
}

const heading = (reason, n) =>
  `last of ${count(n)}${reason === "outlier" ? "; the score is how far one lies from all others" : ""}`;

function receipt(sample, isNew) {
  const { because_of: kept, distance, score } = sample;
  const said = kept ? `distance ${figure(distance)}` : `score ${figure(score)}`;
  return h(
    "div",
    { className: `receipt${kept ? "" : " alone"}${isNew ? " new" : ""}` },
    pictured(sample, "goes"),
    kept ? pictured(kept, "stays") : null,
    h("p", { className: "figure" }, isNew ? `${said}, new here` : said),
  );
}

function pictured({ sample_id: id, uri, text, kind }, role) {
  const shown =
    kind === "image"
      ? smallPicture(uri, `Sample ${id}, which ${role}`)
      : h("div", { className: text === null ? "blank" : "text", dir: "auto" }, text ?? "a vector");
  const caption = h("figcaption", { className: "code", title: id }, h("bdi", {}, id));
  return h("figure", { className: role }, shown, caption);
}

function figure(value) {
  if (value === null) return "–";
  return value > 5e-7 && value < 1e-3 ? "<0.001" : String(Number(value.toPrecision(3)));
}

recall();
follow();
