// The page that compares strategies: start a comparison, stop it, forget a finished one.

import { CampaignApi, request } from "./api.js";
import { byId, sentences } from "./dom.js";
import { isFilledIn, showError, whileSending } from "./forms.js";
import { refresh } from "./live.js";

const comparisons = `${new CampaignApi(byId("main").dataset.campaign).base}/comparisons`;
const form = byId("compare-form");
const status = byId("compare-status");

function asked() {
  const { repeats, budget, batch, holdout_percent, imbalance, probe } = form.elements;
  const chosen = form.querySelectorAll("[name=strategies]:checked");
  return {
    strategies: Array.from(chosen, ({ value }) => value),
    repeats: Number(repeats.value),
    budget: Number(budget.value),
    batch: Number(batch.value),
    holdout: Number(holdout_percent.value) / 100,
    imbalance: imbalance.value ? Number(imbalance.value) : null,
    probe: probe.checked,
  };
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!isFilledIn(form)) return;
  const body = asked();
  if (!body.strategies.length) return showError(form, "Choose a strategy besides uniform.");
  whileSending(form, async () => {
    await request("POST", comparisons, body);
    status.textContent = "Comparing in the background.";
    await refresh();
    byId("running").scrollIntoView({ block: "center" });
  });
});

byId("main").addEventListener("click", async ({ target }) => {
  const { remove, said } = target.dataset;
  if (!remove) return;
  target.disabled = true;
  try {
    await request("DELETE", `${comparisons}/${remove}`);
    status.textContent = said;
  } catch (error) {
    status.textContent = sentences(error);
  }
  await refresh();
  byId("main").querySelector("h1").focus();
});

const isRunning = () => byId("running").querySelector("progress") !== null;
let wasRunning = isRunning();
document.addEventListener("al:refreshed", () => {
  if (wasRunning && !isRunning() && status.textContent.startsWith("Comparing"))
    status.textContent = "The comparison has ended.";
  wasRunning = isRunning();
});
