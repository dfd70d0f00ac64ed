// Auto, or one of the resolutions there are.

import { el } from "./dom.js";

class QualityMenu extends HTMLElement {
  #button = el("button", { class: "icon", type: "button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": "Quality" });
  #menu = el("div", { role: "menu", "aria-label": "Quality", hidden: true });
  #playback = null;

  connectedCallback() {
    this.hidden = true;
    this.append(this.#button, this.#menu);
    this.#button.addEventListener("click", () => this.#toggle(this.#menu.hidden));
    this.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("focusout", (event) => !this.contains(event.relatedTarget) && this.#toggle(false, false));
  }

  set playback(playback) {
    this.#playback = playback;
    playback.addEventListener("qualities", () => this.#draw());
    playback.addEventListener("quality", () => this.#draw());
  }

  get isOpen() {
    return !this.#menu.hidden;
  }

  #draw() {
    const { qualities, chosen, current } = this.#playback;
    this.hidden = qualities.length === 0;
    const chosenName = qualities.find((each) => each.index === chosen)?.name;
    this.#button.textContent = chosenName ?? (current ? `Auto · ${current}` : "Auto");
    const choices = [{ index: -1, name: "Auto" }, ...[...qualities].reverse()];
    const open = this.#menu.contains(document.activeElement);
    this.#menu.replaceChildren(...choices.map((choice) => this.#choice(choice, choice.index === chosen)));
    if (open) this.#menu.querySelector("[aria-checked=true]")?.focus();
  }

  #choice({ index, name }, checked) {
    const choose = () => {
      this.#playback.choose(index);
      this.#toggle(false);
    };
    return el("button", { type: "button", role: "menuitemradio", "aria-checked": String(checked), onclick: choose }, name);
  }

  #toggle(open, refocus = true) {
    if (this.#menu.hidden === !open) return;
    this.#menu.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    if (open) this.#menu.querySelector("[aria-checked=true]")?.focus();
    else if (refocus) this.#button.focus();
  }

  #key(event) {
    if (this.#menu.hidden) return;
    const items = [...this.#menu.children];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
    else if (event.key === "Escape") this.#toggle(false);
    else if (event.key !== "Enter" && event.key !== " ") return;
    event.stopPropagation();
    if (event.key !== "Enter" && event.key !== " ") event.preventDefault();
  }
}

customElements.define("quality-menu", QualityMenu);
