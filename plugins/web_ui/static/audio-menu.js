// The audio tracks there are; the language chosen last is chosen again for the next film.

import { ChoiceMenu } from "./choice-menu.js";
import { icon } from "./dom.js";
import { keep, recall } from "./kept.js";

const KEPT = "mediaserver.audio"; // in localStorage: a language
const ICON = "M4 5h16a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zm4 4v4h2V9zm3-1v6h2V8zm3 1v4h2V9z";

class AudioMenu extends ChoiceMenu {
  #playback = null;

  constructor() {
    super("Audio");
    this.button.append(icon(ICON));
  }

  set playback(playback) {
    this.#playback = playback;
    playback.addEventListener("audios", () => this.#begin());
    playback.addEventListener("audio", () => this.#draw());
  }

  choose(choice) {
    keep(KEPT, choice.language);
    this.#playback.chooseAudio(choice.index);
  }

  #begin() {
    const kept = recall(KEPT);
    const begin = kept && this.#playback.audios.find((each) => each.language === kept);
    if (begin && begin.index !== this.#playback.audio) this.#playback.chooseAudio(begin.index);
    this.#draw();
  }

  #draw() {
    const { audios, audio } = this.#playback;
    this.hidden = audios.length < 2;
    this.draw(audios, audios.find((each) => each.index === audio));
  }
}

customElements.define("audio-menu", AudioMenu);
