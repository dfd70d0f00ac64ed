// The server's news: its topics are dispatched as they come (detail: what is told), `lost` and `found` of the wire.
// A page that nobody sees hears none: a browser has six connections to a server, for all its tabs and for the pages that
// it keeps to go back to, and a seventh page would wait for its film.

import { ask } from "./session.js";

const TOPICS = ["library", "progress", "doctor", "sessions"];
const AGAIN = 3000; // ms; where the browser gives up by itself

export class News extends EventTarget {
  #source = null;
  #timer = 0;
  #lost = false;
  #wanted = false;
  #away = document.hidden; // nobody sees this page
  #missed = false;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#leave() : this.#comeBack()));
    window.addEventListener("pagehide", () => this.#leave());
    window.addEventListener("pageshow", () => this.#comeBack());
  }

  start() {
    this.#source?.close();
    this.#source = null;
    this.#wanted = true;
    if (this.#away) return;
    this.#source = new EventSource("v1/events");
    this.#source.onopen = () => this.#found();
    this.#source.onerror = () => this.#fault();
    for (const topic of TOPICS) {
      this.#source.addEventListener(topic, ({ data }) => this.dispatchEvent(new CustomEvent(topic, { detail: JSON.parse(data) })));
    }
  }

  #leave() {
    this.#away = true;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  /** What happened meanwhile is looked up, as after a lost connection. */
  #comeBack() {
    if (!this.#away || document.hidden) return;
    this.#away = false;
    this.#missed = true;
    if (this.#wanted) this.start();
  }

  #found() {
    if (this.#lost || this.#missed) this.dispatchEvent(new Event("found"));
    this.#lost = this.#missed = false;
  }

  #fault() {
    if (!this.#lost) this.dispatchEvent(new Event("lost"));
    this.#lost = true;
    if (this.#source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), AGAIN);
  }

  /** An EventSource does not say why it was refused: a question of our own renews a login that has run out. */
  async #again() {
    await ask("v1/events", { method: "HEAD" }).catch(() => null);
    this.start();
  }
}

const SLOWEST = 10_000; // ms between two calls while the news does not end: 360 questions an hour of the 1,000 allowed

/** Calls `work` at once, then after `pause` ms, growing while calls keep coming; never twice at a time, nor forgets one. */
export function calmly(work, pause = 500) {
  let running = false;
  let again = false;
  let wait = pause;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await work();
    } finally {
      setTimeout(() => {
        running = false;
        wait = again ? Math.min(wait * 1.5, SLOWEST) : pause;
        if (again) {
          again = false;
          run();
        }
      }, wait);
    }
  };
}
