// The accuracy curve, drawn from the table that holds its numbers.

import { byId, h } from "./dom.js";

const MARGIN = { top: 12, right: 16, bottom: 40, left: 52 };
const HEIGHT = 260;
const root = byId("curve");
let points = [];
let shown = null;
let drawnWidth = 0;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function read() {
  const rows = byId(root.dataset.table).querySelectorAll("tbody tr");
  points = Array.from(rows, ({ dataset }) => ({ x: Number(dataset.x), y: Number(dataset.y) }));
  root.hidden = points.length < 2;
  byId("curve-details").hidden = points.length === 0;
}

/** Round numbers that cover [low, high] in at most `most` steps. */
export function ticks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10]
    .map((factor) => factor * power)
    .find((candidate) => candidate >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) =>
    Number(((first + n) * step).toPrecision(12)),
  );
}

function draw() {
  if (root.hidden) return;
  drawnWidth = root.clientWidth;
  const width = Math.max(drawnWidth, 240);
  const high = points.at(-1).x;
  const floor = Math.max(0, Math.floor(Math.min(...points.map(({ y }) => y)) * 10) / 10);
  const x = (n) => MARGIN.left + ((width - MARGIN.left - MARGIN.right) * n) / high;
  const y = (share) =>
    HEIGHT -
    MARGIN.bottom -
    ((HEIGHT - MARGIN.top - MARGIN.bottom) * (share - floor)) / (1 - floor);
  const last = points.at(-1);
  const line = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" ");
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      width,
      height: HEIGHT,
      role: "img",
      tabindex: 0,
      "aria-label": `Accuracy on the holdout: ${words(last)}. Arrow keys walk along the curve.`,
    },
    ...grid(x, y, floor, high, width),
    svg("polyline", { class: "line", points: line }),
    svg("g", { class: "mark" }),
  );
  const value = h("p", { className: "curve-value figure", "aria-live": "polite" });
  root.replaceChildren(value, picture);
  const mark = (position) => {
    shown = position;
    const point = points[position ?? points.length - 1];
    value.textContent = words(point);
    picture
      .querySelector(".mark")
      .replaceChildren(...cursor(x(point.x), y(point.y), position !== null));
  };
  mark(shown !== null && shown < points.length ? shown : null);
  listen(picture, x, mark);
}

const words = (point) =>
  `${(100 * point.y).toFixed(1)}% after ${point.x.toLocaleString("en")} labels`;

function grid(x, y, floor, high, width) {
  const parts = [];
  for (const share of ticks(floor, 1, 5)) {
    parts.push(
      svg("line", {
        class: "rule",
        x1: MARGIN.left,
        x2: width - MARGIN.right,
        y1: y(share),
        y2: y(share),
      }),
    );
    const label = `${Math.round(100 * share)}%`;
    parts.push(
      svg(
        "text",
        { class: "tick", x: MARGIN.left - 10, y: y(share) + 4, "text-anchor": "end" },
        label,
      ),
    );
  }
  for (const n of ticks(0, high, Math.min(10, Math.floor(width / 90))).filter(Number.isInteger)) {
    const at = { class: "tick", x: x(n), y: HEIGHT - MARGIN.bottom + 18, "text-anchor": "middle" };
    parts.push(svg("text", at, n.toLocaleString("en")));
  }
  const middle = (MARGIN.left + width - MARGIN.right) / 2;
  parts.push(
    svg(
      "text",
      { class: "axis", x: middle, y: HEIGHT - 4, "text-anchor": "middle" },
      "labeled samples",
    ),
  );
  return parts;
}

function cursor(left, top, isWalking) {
  const rule = svg("line", {
    class: "cursor",
    x1: left,
    x2: left,
    y1: MARGIN.top,
    y2: HEIGHT - MARGIN.bottom,
  });
  return [...(isWalking ? [rule] : []), svg("circle", { class: "dot", cx: left, cy: top, r: 4 })];
}

function listen(picture, x, mark) {
  picture.addEventListener("pointermove", (event) => {
    const at = event.clientX - picture.getBoundingClientRect().left;
    const distances = points.map((point) => Math.abs(x(point.x) - at));
    mark(distances.indexOf(Math.min(...distances)));
  });
  picture.addEventListener("pointerleave", () => mark(null));
  picture.addEventListener("blur", () => mark(null));
  picture.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const from = shown ?? points.length - 1;
    mark(Math.min(points.length - 1, Math.max(0, from + step)));
  });
}

function update() {
  read();
  draw();
}

if (root) {
  update();
  // an opened table changes the height alone: drawn anew, the curve would lose the focus
  new ResizeObserver(() => root.clientWidth !== drawnWidth && draw()).observe(root.parentElement);
  document.addEventListener("al:refreshed", update);
}
