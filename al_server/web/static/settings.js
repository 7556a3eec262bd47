// What can be changed while a campaign runs: classes appended, samples added.

import { CampaignApi } from "./api.js";
import { byId } from "./dom.js";
import {
  classNames,
  classTrouble,
  clearErrors,
  followKind,
  isFilledIn,
  showError,
  sourceOf,
  whileSending,
} from "./forms.js";
import { refresh } from "./live.js";

const api = new CampaignApi(byId("main").dataset.campaign);

function onSubmit(form, send) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearErrors(form);
    if (!isFilledIn(form)) return;
    whileSending(form, async () => {
      const said = await send();
      if (!said) return;
      byId("settings-status").textContent = said;
      form.reset();
      await refresh();
      setTimeout(() => refresh().catch(() => {}), 1000); // most additions are in by then
    });
  });
}

const classesForm = byId("classes-form");
const samplesForm = byId("samples-form");

if (classesForm) {
  onSubmit(classesForm, async () => {
    const names = classNames(classesForm.elements.classes.value);
    const trouble = classTrouble(names);
    if (trouble) return showError(classesForm, trouble, "classes");
    const { classes } = await api.addClasses(names);
    return `Appended ${names.join(", ")}: ${classes.length} classes now. Annotators see them in a moment.`;
  });
  onSubmit(samplesForm, async () => {
    await api.addSamples(sourceOf(samplesForm));
    return "Adding samples in the background; labeling goes on meanwhile.";
  });
  followKind(samplesForm);
  samplesForm.addEventListener("reset", () => setTimeout(() => followKind(samplesForm)));
}
