// A film on the wall: picture or a tinted card, its title, and how far it is while it is being prepared.

import { reachable } from "./api.js";
import { count, el, length } from "./dom.js";

export class FilmPoster extends HTMLElement {
  #link = el("a", { class: "poster" });
  #image = el("img", { alt: "", loading: "lazy", decoding: "async" });
  #name = el("span", { class: "name" });
  #facts = el("span", { class: "facts" });
  #sign = el("span", { class: "sign", hidden: true });
  #strip = null;
  #damage = "";
  #away = false;

  connectedCallback() {
    if (this.#link.isConnected) return;
    this.#image.addEventListener("load", () => this.#image.classList.add("there"));
    this.#image.addEventListener("error", () => this.#image.classList.remove("there"));
    this.#link.append(this.#image, this.#sign, el("span", { class: "words" }, this.#name, this.#facts));
    this.append(this.#link);
  }

  set film(film) {
    this.#link.href = `#/watch/${encodeURIComponent(film.slug)}`;
    this.#link.style.setProperty("--tint", tint(film.title));
    this.#name.textContent = film.title;
    this.#facts.textContent = facts(film);
    this.#away = !film.playable && film.type !== "series";
    this.#drawSign();
    const address = reachable(film.thumbnail_url);
    if (address && this.#image.src !== address) this.#image.src = address;
  }

  /** A sentence for a film of which not everything can be shown, else "". */
  set damage(sentence) {
    this.#damage = sentence;
    this.#drawSign();
  }

  #drawSign() {
    this.#sign.hidden = !this.#away && !this.#damage;
    this.#sign.textContent = this.#away ? "File not found" : "Damaged";
    this.#sign.title = this.#away ? "Its file was removed, or its disk is not connected." : this.#damage;
  }

  /** `rows` for the grid strip; null once everything is made. */
  set rows(rows) {
    if (!rows) {
      this.#strip?.remove();
      this.#strip = null;
      return;
    }
    if (!this.#strip) {
      this.#strip = el("grid-strip");
      this.#facts.after(this.#strip);
    }
    this.#strip.rows = rows;
  }
}

function facts(film) {
  const known = [film.release_year];
  if (film.type === "series") known.push(count(film.seasons, "season", "seasons"), count(film.episodes, "episode", "episodes"));
  else if (film.duration) known.push(length(film.duration));
  return known.filter(Boolean).join(" · ");
}

/** A hue of its own for every title, the same one each time. */
export function tint(title) {
  let hash = 7;
  for (const letter of title) hash = (hash * 31 + letter.codePointAt(0)) % 360;
  return hash;
}

customElements.define("film-poster", FilmPoster);
