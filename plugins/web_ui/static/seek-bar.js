// Where the film is, what is loaded, and below it which parts are made: one range input under our own paint.

import { clock, el } from "./dom.js";

class SeekBar extends HTMLElement {
  #input = el("input", { type: "range", min: "0", max: "0", step: "any", value: "0", "aria-label": "Position" });
  #played = el("span", { class: "played" });
  #loaded = el("span", { class: "loaded" });
  #knob = el("span", { class: "knob" });
  #strip = el("grid-strip");
  #at = el("span", { class: "at", hidden: true });
  #dragging = false;

  connectedCallback() {
    this.append(el("span", { class: "track" }, this.#loaded, this.#played), this.#strip, this.#knob, this.#at, this.#input);
    this.#input.addEventListener("input", () => this.#drag());
    this.#input.addEventListener("change", () => (this.#dragging = false));
    this.#input.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.preventDefault());
    this.addEventListener("pointermove", (event) => this.#hover(event));
    this.addEventListener("pointerleave", () => (this.#at.hidden = true));
  }

  set row(row) {
    this.#strip.hidden = !row;
    if (row) this.#strip.rows = [row];
  }

  show(position, duration, loadedUntil) {
    if (!Number.isFinite(duration) || duration <= 0) return;
    this.#input.max = duration;
    if (!this.#dragging) this.#input.value = position;
    this.#loaded.style.transform = `scaleX(${Math.min(1, loadedUntil / duration)})`;
    this.#paint();
  }

  #drag() {
    this.#dragging = true;
    this.#paint();
    this.dispatchEvent(new CustomEvent("seek", { detail: Number(this.#input.value) }));
  }

  #paint() {
    const share = Number(this.#input.value) / (Number(this.#input.max) || 1);
    this.#played.style.transform = `scaleX(${share})`;
    this.#knob.style.left = `${share * 100}%`;
    this.#input.setAttribute("aria-valuetext", `${clock(this.#input.value)} of ${clock(this.#input.max)}`);
  }

  #hover(event) {
    const box = this.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    this.#at.hidden = false;
    this.#at.style.left = `${share * 100}%`;
    this.#at.textContent = clock(share * Number(this.#input.max));
  }
}

customElements.define("seek-bar", SeekBar);
