// What one sitting knows: time on a sample, answers given, the way back.

/** Seconds that a sample was in view: a hidden tab does not count. */
export class Stopwatch {
  constructor() {
    this.start();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.#pause();
      else this.since = performance.now();
    });
  }

  start() {
    this.spent = 0;
    this.since = document.hidden ? null : performance.now();
  }

  seconds() {
    const running = this.since === null ? 0 : performance.now() - this.since;
    return (this.spent + running) / 1000;
  }

  #pause() {
    if (this.since !== null) this.spent += performance.now() - this.since;
    this.since = null;
  }
}

const WINDOW = 20;
const BREAK_MS = 120_000;

/** Labels given since the page was opened, and how many a minute of late. */
export class Counter {
  constructor() {
    this.n = 0;
    this.times = [];
  }

  add() {
    const now = performance.now();
    // after a break the rate starts anew: nobody's coffee belongs in it
    if (this.times.length && now - this.times.at(-1) > BREAK_MS) this.times = [];
    this.times.push(now);
    this.times = this.times.slice(-WINDOW);
    this.n += 1;
  }

  remove() {
    this.n = Math.max(0, this.n - 1);
    this.times.pop();
  }

  text() {
    if (this.n === 0) return "";
    const spanned = this.times.at(-1) - this.times[0];
    const rate = this.times.length > 2 ? (60_000 * (this.times.length - 1)) / spanned : null;
    return `${this.n} this session` + (rate ? ` · ${Math.round(rate)}/min` : "");
  }
}

const KEPT = 100;

/** Sample ids answered here, the latest last; outlives a reload of the tab. */
export class History {
  constructor(campaign, annotator) {
    this.slot = `al-history:${campaign}:${annotator}`;
    this.answered = JSON.parse(sessionStorage.getItem(this.slot) ?? "[]");
  }

  get isEmpty() {
    return this.answered.length === 0;
  }

  get last() {
    return this.answered.at(-1);
  }

  push(sampleId) {
    this.#keep([...this.answered.filter((other) => other !== sampleId), sampleId].slice(-KEPT));
  }

  pop() {
    this.#keep(this.answered.slice(0, -1));
  }

  #keep(answered) {
    this.answered = answered;
    try {
      sessionStorage.setItem(this.slot, JSON.stringify(answered));
    } catch {
      // kept in memory only: undo works until the page is left
    }
  }
}
