// No answer is lost: each is written down in this browser before it is sent, and stays there until
// the server has said that it is on disk. Its key makes sending it twice harmless.

import { ApiError } from "./api.js";

const WAITS_MS = [400, 800, 1500, 3000, 5000];

/** A key for one answer. (crypto.randomUUID is missing where the page did not come over https.) */
export function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Call until it works or is refused. Between attempts it waits, tells `onTrouble` why, and goes on
 * at once when the browser is online again or somebody calls the function it was given.
 */
export async function persist(call, onTrouble) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call(attempt);
    } catch (error) {
      if (!(error instanceof ApiError) || !error.isPassing) throw error;
      await wait(WAITS_MS[Math.min(attempt, WAITS_MS.length - 1)], (now) =>
        onTrouble(error, attempt + 1, now),
      );
    }
  }
}

function wait(milliseconds, tell) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    addEventListener("online", done);
    tell(done);
  });
}

export class Outbox {
  constructor(api, campaign, onTrouble) {
    this.api = api;
    this.prefix = `al-unsaved:${campaign}:`;
    this.onTrouble = onTrouble;
    this.underway = 0;
    addEventListener("beforeunload", (event) => {
      if (this.underway > 0) event.preventDefault();
    });
  }

  /** Resolves when the server has the answer; rejects when the server refuses it. */
  async send(answer) {
    const slot = this.prefix + answer.key;
    keep(slot, answer);
    this.underway += 1;
    try {
      const recorded = await persist(() => this.api.record(answer), this.onTrouble);
      localStorage.removeItem(slot);
      return recorded;
    } catch (error) {
      // signed out meanwhile: the answer is as good as before, and goes after signing in
      if (error.status !== 401 && error.status !== 403) localStorage.removeItem(slot);
      throw error;
    } finally {
      this.underway -= 1;
    }
  }

  /** Take an answer back; null where only a later attempt found out that it is back already. */
  takeBack(sampleId, annotator) {
    return persist(async (attempt) => {
      try {
        return await this.api.undo(sampleId, annotator);
      } catch (error) {
        if (attempt > 0 && error.code === "nothing_to_undo") return null;
        throw error;
      }
    }, this.onTrouble);
  }

  /** Send what an earlier visit could not: how many answers that were, and the last refusal. */
  async resume() {
    const slots = Object.keys(localStorage).filter((slot) => slot.startsWith(this.prefix));
    const answers = slots.map((slot) => JSON.parse(localStorage.getItem(slot)));
    const results = await Promise.allSettled(answers.map((answer) => this.send(answer)));
    const refused = results.filter(({ status }) => status === "rejected");
    return { n_saved: results.length - refused.length, refusal: refused.at(-1)?.reason ?? null };
  }
}

// a full or forbidden storage must not stop the labeling: the page still holds the answer
function keep(slot, answer) {
  try {
    localStorage.setItem(slot, JSON.stringify(answer));
  } catch {
    console.info("This browser keeps nothing; do not close the page while an answer is unsaved.");
  }
}
