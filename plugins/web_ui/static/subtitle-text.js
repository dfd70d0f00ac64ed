// The words of the subtitle, above the controls while these are seen. Cues come as nodes, never as markup of strangers.

import { el } from "./dom.js";

const UPPER = 40; // % of the height: what asks to stand above is shown at the top

class SubtitleText extends HTMLElement {
  #top = el("div", { class: "top" });
  #bottom = el("div", { class: "bottom" });
  #track = null;
  #draw = () => this.#show();

  connectedCallback() {
    this.append(this.#top, this.#bottom);
  }

  disconnectedCallback() {
    this.track = null;
  }

  /** A TextTrack that is hidden, or null. */
  set track(track) {
    if (track === this.#track) return;
    this.#track?.removeEventListener("cuechange", this.#draw);
    this.#track = track;
    track?.addEventListener("cuechange", this.#draw);
    this.#show();
  }

  #show() {
    const cues = [...(this.#track?.activeCues ?? [])];
    const line = (cue) => el("p", {}, el("span", {}, cue.getCueAsHTML()));
    this.#top.replaceChildren(...cues.filter(isUpper).map(line));
    this.#bottom.replaceChildren(...cues.filter((cue) => !isUpper(cue)).map(line));
  }
}

function isUpper({ line, snapToLines }) {
  if (typeof line !== "number") return false;
  return snapToLines ? line >= 0 && line < 5 : line < UPPER;
}

customElements.define("subtitle-text", SubtitleText);
