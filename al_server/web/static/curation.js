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
let follows = true; // keep is at its most, and stays there

function most() {
  return Math.max(1, Math.floor(100 - Number(outliers.value) - Number(similars.value)));
}

// what is not kept has to go by something: the three never come to more than all
function settle(moved) {
  if (moved === keep) {
    keep.value = Math.min(Number(keep.value), most());
    follows = Number(keep.value) >= most();
  } else if (Number(outliers.value) + Number(similars.value) > 99) {
    const other = moved === outliers ? similars : outliers;
    other.value = 99 - Number(moved.value);
  }
  if (follows || Number(keep.value) > most()) keep.value = most();
  for (const slider of sliders) {
    const number = byId(`${slider.id}-number`);
    if (number !== document.activeElement) number.value = slider.value;
    slider.setAttribute("aria-valuetext", `${slider.value}%`);
  }
}

function amounts() {
  const asked = new URLSearchParams({ outliers: outliers.value, similars: similars.value });
  if (!follows) asked.set("keep", keep.value);
  asked.set("keep_by", byId("keep_by").value);
  return asked;
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
  }
  isAsking = false;
  byId("went").removeAttribute("aria-busy");
  if (asked.toString() !== amounts().toString()) ask();
}

for (const slider of sliders) {
  const number = byId(`${slider.id}-number`);
  slider.addEventListener("input", () => (settle(slider), askSoon()));
  number.addEventListener("input", () => {
    if (number.value === "" || !number.checkValidity()) return;
    slider.value = number.value;
    settle(slider);
    askSoon();
  });
  number.addEventListener("blur", () => settle(slider));
}
byId("keep_by").addEventListener("change", askSoon);
form.addEventListener("submit", (event) => event.preventDefault());

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
        h("h3", {}, mark(reason), name, h("span", { className: "hint" }, `last of ${count(n)}`)),
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
  const caption = h("figcaption", { className: "code", title: id }, id);
  return h("figure", { className: role }, shown, caption);
}

const figure = (value) => (value === null ? "–" : String(Number(value.toPrecision(3))));

settle(outliers);
follow();
