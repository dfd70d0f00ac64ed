// Where the film is, what is loaded, its chapters, and below which parts are made: one range input under our own paint.

import { clock, el } from "./dom.js";

class SeekBar extends HTMLElement {
  #input = el("input", { type: "range", min: "0", max: "0", step: "any", value: "0", "aria-label": "Position" });
  #played = el("span", { class: "played" });
  #loaded = el("span", { class: "loaded" });
  #marks = el("span", { class: "marks" });
  #knob = el("span", { class: "knob" });
  #strip = el("grid-strip");
  #picture = el("span", { class: "picture", hidden: true });
  #name = el("span", { class: "name" });
  #when = el("span");
  #at = el("span", { class: "at", hidden: true }, this.#picture, this.#name, this.#when);
  #dragging = false;
  #chapters = [];
  #pictures = null;

  connectedCallback() {
    const track = el("span", { class: "track" }, this.#loaded, this.#played);
    this.append(track, this.#marks, this.#strip, this.#knob, this.#at, this.#input);
    this.#input.addEventListener("input", () => this.#drag());
    this.#input.addEventListener("change", () => (this.#dragging = false));
    this.#input.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.preventDefault());
    this.addEventListener("pointermove", (event) => this.#hover(event));
    this.addEventListener("pointerdown", (event) => this.#hover(event));
    this.addEventListener("pointerleave", () => (this.#at.hidden = true));
    this.addEventListener("pointerup", (event) => event.pointerType === "touch" && (this.#at.hidden = true));
  }

  set row(row) {
    this.#strip.hidden = !row;
    if (row) this.#strip.rows = [row];
  }

  /** [{start, end, title}] in seconds. */
  set chapters(chapters) {
    this.#chapters = chapters;
    this.#mark();
  }

  /** ScrubPictures, or null. */
  set pictures(pictures) {
    this.#pictures = pictures;
  }

  show(position, duration, loadedUntil) {
    if (!Number.isFinite(duration) || duration <= 0) return;
    const isNew = Number(this.#input.max) !== duration;
    this.#input.max = duration;
    if (isNew) this.#mark();
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
    const chapter = this.#titleAt(Number(this.#input.value));
    this.#input.setAttribute("aria-valuetext", `${clock(this.#input.value)} of ${clock(this.#input.max)}${chapter && `, ${chapter}`}`);
  }

  /** A gap in the track where a chapter begins, but for the first. */
  #mark() {
    const length = Number(this.#input.max);
    const inside = this.#chapters.filter(({ start }) => start > 0.5 && start < length);
    this.#marks.replaceChildren(
      ...inside.map(({ start }) => {
        const mark = el("i");
        mark.style.left = `${(start / length) * 100}%`;
        return mark;
      }),
    );
  }

  #titleAt(second) {
    return this.#chapters.findLast(({ start }) => start <= second)?.title ?? "";
  }

  #hover(event) {
    const box = this.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const second = share * Number(this.#input.max);
    this.#at.hidden = false;
    this.#name.textContent = this.#titleAt(second);
    this.#name.hidden = !this.#name.textContent;
    this.#when.textContent = clock(second);
    this.#showPicture(second);
    const half = this.#at.offsetWidth / 2;
    this.#at.style.left = `${Math.min(Math.max(share * box.width, half), Math.max(half, box.width - half))}px`;
  }

  #showPicture(second) {
    const tile = this.#pictures?.at(second);
    this.#picture.hidden = !tile;
    if (!tile) return;
    const { style } = this.#picture;
    style.width = `${tile.width}px`;
    style.height = `${tile.height}px`;
    style.backgroundImage = `url("${tile.address}")`;
    style.backgroundPosition = `${-tile.x}px ${-tile.y}px`;
  }
}

customElements.define("seek-bar", SeekBar);
