// A button that opens a list of which one is chosen. Who extends it says which: `choices`, `chosen` and `choose(choice)`.

import { el } from "./dom.js";

export class ChoiceMenu extends HTMLElement {
  #name;
  #menu;
  button;

  constructor(name) {
    super();
    this.#name = name;
    this.button = el("button", { class: "icon", type: "button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": name, title: name });
    this.#menu = el("div", { role: "menu", "aria-label": name, hidden: true });
  }

  connectedCallback() {
    this.hidden = true;
    this.append(this.button, this.#menu);
    this.button.addEventListener("click", () => this.#toggle(this.#menu.hidden));
    this.addEventListener("keydown", (event) => this.#key(event));
    this.addEventListener("focusout", (event) => !this.contains(event.relatedTarget) && this.#toggle(false, false));
  }

  get isOpen() {
    return !this.#menu.hidden;
  }

  /** `choices`: {name, …}, as they are to be listed. */
  draw(choices, chosen) {
    const open = this.#menu.contains(document.activeElement);
    this.#menu.replaceChildren(...choices.map((choice) => this.#choice(choice, choice === chosen)));
    if (open) this.#menu.querySelector("[aria-checked=true]")?.focus();
  }

  #choice(choice, checked) {
    const choose = () => {
      this.choose(choice);
      this.#toggle(false);
    };
    return el("button", { type: "button", role: "menuitemradio", "aria-checked": String(checked), onclick: choose }, choice.name);
  }

  #toggle(open, refocus = true) {
    if (this.#menu.hidden === !open) return;
    this.#menu.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.#menu.querySelector("[aria-checked=true]")?.focus();
    else if (refocus) this.button.focus();
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
