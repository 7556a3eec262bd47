// The sample itself, as large as serves it.

import { h, PIXELATED_BELOW } from "./dom.js";

const PIXELATED_SIZE = 480; // a larger mosaic is harder to recognise, not easier
const SMOOTH_SCALE = 3;
const KEPT_PICTURES = 4;
const SETTLE_MS = 120;

const pictures = new Map();

/** The picture at a uri, decoded, so that showing it paints at once. Rejects if it cannot be. */
export function picture(uri) {
  if (!pictures.has(uri)) {
    const image = new Image();
    image.src = uri;
    pictures.set(
      uri,
      image.decode().then(() => image),
    );
    for (const old of [...pictures.keys()].slice(0, -KEPT_PICTURES)) pictures.delete(old);
  }
  return pictures.get(uri);
}

/** Fetch what probably comes next; if that fails, it is tried again when it does come. */
export function preload(uri) {
  picture(uri).catch(() => pictures.delete(uri));
}

/** The element that shows a sample on the stage; for pictures, once they are decoded. */
export async function rendered(sample) {
  if (sample.kind === "image") return renderedImage(sample);
  if (sample.kind === "text") {
    return h("div", { className: "text", dir: "auto", textContent: sample.text ?? "" });
  }
  return h(
    "div",
    { className: "bare" },
    h("p", { className: "bare-id" }, sample.sample_id),
    h("p", {}, "This sample is a bare vector: there is no picture or text to show. "),
    h(
      "p",
      { className: "hint" },
      "Go by its id, by the prediction, and by the labeled samples near it.",
    ),
  );
}

/** Resolves a moment after the page was painted: sooner, nobody can have judged what it shows. */
export function settled() {
  const painted = new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve, SETTLE_MS));
  });
  // a hidden tab paints nothing, and must not wait for it either
  return Promise.race([painted, new Promise((resolve) => setTimeout(resolve, 3 * SETTLE_MS))]);
}

async function renderedImage(sample) {
  try {
    const image = await picture(sample.uri);
    image.alt = `Sample ${sample.sample_id}`;
    image.draggable = false;
    return image;
  } catch {
    pictures.delete(sample.uri);
    return h(
      "div",
      { className: "bare", role: "alert" },
      h("p", {}, "This picture cannot be shown."),
      h("p", { className: "hint" }, "Skip it, or label it by its id if that says enough."),
    );
  }
}

/** Give a sample its size in the view. */
export function fit(element, view) {
  if (element instanceof HTMLImageElement) fitImage(element, view);
  // a text that does not fit is scrolled, by keyboard too
  else element.tabIndex = element.scrollHeight > element.clientHeight ? 0 : -1;
}

// small pictures crisp and in whole multiples, large ones to fit
function fitImage(image, view) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const room = { width: view.clientWidth, height: view.clientHeight };
  const fitting = Math.min(room.width / width, room.height / height);
  const longest = Math.max(width, height);
  let scale = Math.min(fitting, SMOOTH_SCALE);
  image.classList.toggle("pixelated", longest < PIXELATED_BELOW);
  if (longest < PIXELATED_BELOW) {
    const wanted = Math.min(fitting, PIXELATED_SIZE / longest);
    scale = wanted >= 1 ? Math.floor(wanted) : wanted;
  }
  image.width = Math.max(1, Math.round(width * scale));
  image.height = Math.max(1, Math.round(height * scale));
}
