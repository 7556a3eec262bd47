// Regions marked data-live follow the server: the page is fetched again now and then, and a region
// whose markup changed is put in place of the old one. What a page shows is written once, on the
// server.

import { byId } from "./dom.js";

const main = byId("main");
const offline = byId("offline");
const regions = () => document.querySelectorAll("[data-live]");
const written = new Map(Array.from(regions(), (region) => [region.id, region.outerHTML]));
let failures = 0;
let seen = new Date();

/** Fetch the page again now; "al:refreshed" is fired on the document when something changed. */
export async function refresh() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (response.redirected) return location.reload(); // signed out: let the browser follow
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  // another layout than ours: the campaign got ready, or the server was updated
  if (page.querySelectorAll("[data-live]").length !== regions().length) return location.reload();
  let changed = 0;
  for (const region of regions()) {
    const fresh = page.getElementById(region.id);
    if (!fresh || fresh.outerHTML === written.get(region.id)) continue;
    written.set(region.id, fresh.outerHTML);
    replace(region, document.adoptNode(fresh));
    changed += 1;
  }
  main.dataset.refresh = page.getElementById("main").dataset.refresh;
  document.title = page.title;
  if (changed) document.dispatchEvent(new Event("al:refreshed"));
}

// what a person opened stays open, and the focus stays where it was
function replace(region, fresh) {
  const opened = Array.from(region.querySelectorAll("details"), (details) => details.open);
  fresh
    .querySelectorAll("details")
    .forEach((details, order) => (details.open = opened[order] ?? false));
  const focusable = "a, button, summary, [tabindex]";
  const focused = Array.from(region.querySelectorAll(focusable)).indexOf(document.activeElement);
  const scrolled = region.scrollTop;
  region.replaceWith(fresh);
  fresh.scrollTop = scrolled;
  if (focused >= 0) fresh.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}

async function follow() {
  try {
    if (!document.hidden) await refresh();
    failures = 0;
    seen = new Date();
  } catch {
    failures += 1;
  }
  offline.hidden = failures < 3;
  offline.querySelector("time").textContent = seen.toLocaleTimeString();
  setTimeout(follow, Number(main.dataset.refresh) * (failures ? 2 : 1));
}

setTimeout(follow, Number(main.dataset.refresh));
document.addEventListener("visibilitychange", () => document.hidden || refresh().catch(() => {}));

// a menu closes when one looks away from it
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
