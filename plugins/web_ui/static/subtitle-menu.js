// Off, or one of the subtitles there are; what was chosen last is chosen again for the next film.

import { ChoiceMenu } from "./choice-menu.js";
import { icon } from "./dom.js";
import { keep, recall } from "./kept.js";

const KEPT = "mediaserver.subtitles"; // in localStorage: "off", or {language, forced, sdh}
const OFF = { index: -1, name: "Off" };
const ICON = "M4 5h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2zm1 6v2h6v-2zm8 0v2h6v-2zm-8 4v2h10v-2zm12 0v2h2v-2z";

class SubtitleMenu extends ChoiceMenu {
  #playback = null;
  #last = null; // chosen before it was switched off

  constructor() {
    super("Subtitles (C)");
    this.button.append(icon(ICON));
  }

  set playback(playback) {
    this.#playback = playback;
    playback.addEventListener("subtitles", () => this.#begin());
    playback.addEventListener("subtitle", () => this.#draw());
  }

  choose(choice) {
    const { index, language, forced, sdh } = choice;
    keep(KEPT, index === -1 ? "off" : { language, forced, sdh });
    this.#playback.chooseSubtitle(choice.index);
  }

  /** Off, or the one that was on, else the one that fits best. */
  toggle() {
    const { subtitles, subtitle } = this.#playback;
    if (subtitles.length === 0) return;
    if (subtitle === -1) this.choose(subtitles.find((each) => each.index === this.#last) ?? fitting(subtitles) ?? subtitles[0]);
    else this.choose(OFF);
  }

  #begin() {
    const { subtitles } = this.#playback;
    const kept = recall(KEPT);
    const begin = kept === "off" ? null : kept ? like(subtitles, kept) : subtitles.find((each) => each.isDefault);
    this.#playback.chooseSubtitle(begin?.index ?? -1);
    this.#draw();
  }

  #draw() {
    const { subtitles, subtitle } = this.#playback;
    this.hidden = subtitles.length === 0;
    if (subtitle !== -1) this.#last = subtitle;
    const choices = [OFF, ...subtitles];
    this.button.classList.toggle("on", subtitle !== -1);
    this.draw(choices, choices.find((each) => each.index === subtitle));
  }
}

const like = (subtitles, kept) =>
  subtitles.find((each) => each.language === kept.language && each.forced === kept.forced && each.sdh === kept.sdh) ??
  subtitles.find((each) => each.language === kept.language && each.forced === kept.forced);

/** In a language of this browser, of all that is said and rather of nothing else. */
function fitting(subtitles) {
  const whole = [...subtitles].filter((each) => !each.forced).sort((one, other) => one.sdh - other.sdh);
  return navigator.languages.map((tag) => whole.find((each) => sameLanguage(each.language, tag))).find(Boolean);
}

const sameLanguage = (one, other) => one.split("-")[0] === other.split("-")[0];

customElements.define("subtitle-menu", SubtitleMenu);
