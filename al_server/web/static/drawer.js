// Beside the sample: why it was chosen, what is similar to it, and any of those in detail.

import { detail } from "./detail.js";
import { byId, h, labelText, sentences, smallPicture } from "./dom.js";

const SIMILAR = 20;
const SLOT = "al-drawer";
const UNANSWERED = {
  unlabeled: "open",
  pending: "given out",
  skipped: "skipped",
  labeled: "labeled",
};

// what a percentile means, in words; `of` is whom the sample is compared with
const PARTS = {
  uncertainty: [
    "Uncertainty",
    (n, of) => `The classifier is less sure of it than of ${n}% of ${of}.`,
  ],
  density: [
    "Density",
    (n, of) => `It has closer company than ${n}% of ${of}: its label tells about many.`,
  ],
  mass: [
    "Mass",
    (n, of) => `More is uncertain at and around it than at ${n}% of ${of}: its label tells much.`,
  ],
  diversity: [
    "Diversity",
    (n, of) => `It is further from all that was answered than ${n}% of ${of}.`,
  ],
};
const ALL = "the candidates";
// in_class ranks the density among candidates that are predicted alike
const IN_CLASS = ["in_class"];
const ALIKE = "the candidates predicted alike";

export class Drawer {
  /** `context` is {api, classes, isMulti, annotator: () => name, onRelabel(recorded)}. */
  constructor(context, onToggle) {
    this.context = context;
    this.onToggle = onToggle;
    this.root = byId("drawer");
    this.title = byId("drawer-title");
    this.body = byId("drawer-body");
    this.back = byId("drawer-back");
    this.kind = sessionStorage.getItem(SLOT);
    this.sample = null;
    this.asked = 0;
    byId("drawer-close").addEventListener("click", () => this.close());
    this.back.addEventListener("click", () => this.#show());
  }

  get isOpen() {
    return !this.root.hidden;
  }

  toggle(kind) {
    if (this.isOpen && this.kind === kind) return this.close();
    this.kind = kind;
    sessionStorage.setItem(SLOT, kind);
    return this.#show();
  }

  close() {
    this.root.hidden = true;
    this.kind = null;
    sessionStorage.removeItem(SLOT);
    this.onToggle(null);
  }

  /** A new sample is on the stage (or none); an open drawer follows it. */
  follow(sample) {
    this.sample = sample;
    if (sample === null) this.root.hidden = true;
    else if (this.kind) this.#show();
  }

  async #show() {
    if (!this.sample) return;
    this.root.hidden = false;
    this.onToggle(this.kind);
    if (this.kind === "why") this.#fill("Why this one", why(this.sample, this.#tile));
    else await this.#fillLater("Similar samples", () => this.#similar());
  }

  #fill(title, content, isDetail = false) {
    this.asked += 1;
    this.title.textContent = title;
    this.back.hidden = !isDetail;
    this.body.replaceChildren(...[content].flat());
    this.body.scrollTop = 0;
  }

  // what was asked for earlier must not overwrite what was asked for later
  async #fillLater(title, fetched, isDetail = false) {
    const turn = (this.asked += 1);
    let content;
    try {
      content = await fetched();
    } catch (error) {
      content = h("p", { className: "notice bad" }, sentences(error));
    }
    if (turn === this.asked) this.#fill(title, content, isDetail);
  }

  async #similar() {
    const { samples } = await this.context.api.similar(this.sample.sample_id, SIMILAR);
    if (!samples.length) return h("p", { className: "hint" }, "There is no other sample.");
    return h(
      "ul",
      { className: `tiles ${samples[0].kind}` },
      samples.map((near) => h("li", {}, this.#tile(near))),
    );
  }

  #tile = (near) => {
    const { sample_id, kind, distance } = near;
    const answered = near.label !== null && near.label !== undefined;
    const said = answered ? labelText(near.label) : UNANSWERED[near.status];
    return h(
      "button",
      {
        type: "button",
        className: "tile",
        title: sample_id,
        "aria-label": `${sample_id}, ${said}, distance ${distance.toFixed(2)}`,
        onclick: (event) => {
          if (event.detail > 0) event.currentTarget.blur();
          this.#detail(sample_id);
        },
      },
      this.#thumbnail(near),
      h("span", { className: answered ? "tile-label" : "tile-label hint" }, said),
      h("span", { className: "tile-distance figure hint" }, distance.toFixed(2)),
    );
  };

  #thumbnail({ sample_id, kind, text }) {
    if (kind === "image") {
      return h("span", { className: "thumb" }, smallPicture(this.context.api.mediaUri(sample_id)));
    }
    const words = h("span", { dir: "auto" }, kind === "text" ? (text ?? "…") : sample_id);
    if (kind === "text" && text === undefined) {
      const fill = (info) => (words.textContent = info.text);
      this.context.api.sample(sample_id).then(fill, () => (words.textContent = sample_id));
    }
    return h("span", { className: "thumb words" }, words);
  }

  #detail(sampleId) {
    const again = () => this.#detail(sampleId);
    return this.#fillLater(sampleId, () => detail(sampleId, this.context, again), true);
  }
}

function why({ kind, receipt }, tile) {
  const { strategy, score, parts, random, nearest_labeled: nearest } = receipt;
  const of = (name) => (name === "density" && IN_CLASS.includes(strategy) ? ALIKE : ALL);
  return [
    parts
      ? h(
          "ul",
          { className: "parts" },
          Object.entries(parts).map(([name, share]) => part(name, share, of(name))),
        )
      : h(
          "p",
          {},
          reason(strategy, random),
        ),
    h("h3", {}, "Nearest labeled samples"),
    nearest.length
      ? h(
          "ul",
          { className: `tiles ${kind}` },
          nearest.map((near) => h("li", {}, tile({ ...near, kind }))),
        )
      : h("p", { className: "hint" }, "Nothing is labeled yet."),
    h(
      "p",
      { className: "hint" },
      `Strategy ${strategy}` + (score === null ? "" : `, score ${score.toPrecision(3)}`),
    ),
  ];
}

function reason(strategy, random) {
  if (strategy === "uniform") return "Drawn at random.";
  return random
    ? "Drawn at random, to measure how well the classifier does and what the strategy gains."
    : "This strategy gives no percentiles.";
}

function part(name, share, of) {
  const [title, words] = PARTS[name] ?? [name, (n) => `Higher than ${n}% of ${of}.`];
  const n = Math.floor(share * 100);
  return h(
    "li",
    {},
    h(
      "p",
      { className: "bar-line" },
      h("strong", {}, title),
      h("span", { className: "figure" }, `${n}%`),
    ),
    h("progress", { max: 100, value: n, "aria-label": `${title} percentile` }),
    h("p", { className: "hint" }, words(n, of)),
  );
}
