// Auto, or one of the resolutions there are.

import { ChoiceMenu } from "./choice-menu.js";

class QualityMenu extends ChoiceMenu {
  #playback = null;

  constructor() {
    super("Quality");
  }

  set playback(playback) {
    this.#playback = playback;
    playback.addEventListener("qualities", () => this.#draw());
    playback.addEventListener("quality", () => this.#draw());
  }

  choose({ index }) {
    this.#playback.choose(index);
  }

  #draw() {
    const { qualities, chosen, current } = this.#playback;
    this.hidden = qualities.length === 0;
    const choices = [{ index: -1, name: "Auto" }, ...[...qualities].reverse()];
    const now = choices.find((each) => each.index === chosen);
    this.button.textContent = chosen === -1 && current ? `Auto · ${current}` : (now?.name ?? "Auto");
    this.draw(choices, now);
  }
}

customElements.define("quality-menu", QualityMenu);
