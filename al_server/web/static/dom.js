// Building elements without markup in strings: text stays text, whatever a class is called.

/** An element. Properties are set as properties, `data` goes to data-*, `aria-*` to attributes. */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element[name] = value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** 0.934 -> "93%"; never "100%" for what is not certain, nor "0%" for what is not impossible. */
export function percent(share) {
  const rounded = Math.round(share * 100);
  if (rounded === 100 && share < 1) return ">99%";
  if (rounded === 0 && share > 0) return "<1%";
  return `${rounded}%`;
}

/** A label as a person reads it. */
export function labelText(label) {
  if (label === null || label === undefined) return "skipped";
  if (!Array.isArray(label)) return label;
  return label.length ? label.join(", ") : "none of the classes";
}

/** What went wrong and what to do, as sentences. */
export function sentences({ message, remedy }) {
  return [message, remedy].filter(Boolean).map(sentence).join(" ");
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

export const count = (n) => n.toLocaleString("en");

export const PIXELATED_BELOW = 129; // pixels: up to here a picture is a drawing of squares

/** A picture for a small frame, crisp where it is drawn larger than it is. */
export function smallPicture(uri, alt = "") {
  const image = h("img", { loading: "lazy", decoding: "async", alt, src: uri });
  image.addEventListener("load", () => {
    const longest = Math.max(image.naturalWidth, image.naturalHeight);
    image.classList.toggle("pixelated", longest < PIXELATED_BELOW);
  });
  return image;
}
