// The wall: posters first; what the server is doing stands small above, what was left out below.

import "./film-poster.js";
import "./grid-strip.js";
import "./who-am-i.js";
import { count, el } from "./dom.js";
import { Library } from "./library.js";
import { calmly } from "./news.js";
import { hasAccounts } from "./session.js";
import { stateList } from "./server-state.js";

const FEW = 6;
const AGAIN = 3000; // ms, while the server does not answer
const EMPTY_SIGN = ["111100", "110000", "100000"];

class HomePage extends HTMLElement {
  #library = new Library();
  #posters = new Map();
  #wall = el("ul", { class: "wall" });
  #state = el("ul", { class: "state", "aria-label": "State of the server" });
  #notice = el("div", { class: "next-step", hidden: true });
  #leftOut = el("details", { class: "left-out", hidden: true });
  #more = el("div", { class: "more", hidden: true });
  #last = null;
  #timer = 0;
  #refresh = calmly(() => this.#look());
  #progress = calmly(() => this.#lookAtProgress(), 1000);

  connectedCallback() {
    const brand = el("span", { class: "brand" }, el("img", { src: "ui/mark.svg", alt: "" }), "Mediaserver");
    this.#more.append(el("button", { class: "main-action", onclick: () => this.#showMore() }, "Show more"));
    this.append(el("header", { class: "top" }, brand, this.#state, el("who-am-i")), this.#wall, this.#notice, this.#more, this.#leftOut);
    this.addEventListener("keydown", (event) => this.#move(event));
    this.#refresh();
  }

  set news(news) {
    this.#listen(news);
  }

  /** Back from the player: focus where it was. */
  returned() {
    this.#last?.focus();
  }

  #listen(news) {
    news.addEventListener("library", this.#refresh);
    news.addEventListener("doctor", this.#refresh);
    news.addEventListener("found", this.#refresh);
    news.addEventListener("progress", this.#progress);
    this.start = () => news.start();
  }

  async #look() {
    try {
      await this.#library.look();
    } catch (error) {
      this.#say(error);
      return;
    }
    if (this.start) this.start();
    this.start = null;
    this.#draw();
    this.#progress();
  }

  async #lookAtProgress() {
    const pictures = this.#library.films.some((film) => !film.thumbnail_url);
    await this.#library.lookAtProgress().catch(() => null);
    this.#drawProgress();
    if (pictures && this.#library.films.length) await this.#library.look().then(() => this.#draw()).catch(() => null);
  }

  async #showMore() {
    await this.#library.more().catch((error) => this.#say(error));
    this.#draw();
  }

  // ---- drawing -------------------------------------------------------------------------------------------

  #draw() {
    const library = this.#library;
    const arriving = library.arriving.map((file) => arrivingPoster(file));
    arrange(this.#wall, [...arriving, ...library.films.map((film) => this.#posterOf(film))]);
    this.#wall.classList.toggle("few", library.films.length + arriving.length < FEW);
    this.#more.hidden = !library.hasMore;
    this.#drawLeftOut();
    this.#drawProgress();
    this.#notice.hidden = library.films.length + arriving.length > 0;
    if (!this.#notice.hidden) this.#notice.replaceChildren(...nextStep(library));
  }

  #posterOf(film) {
    let entry = this.#posters.get(film.id);
    if (!entry) {
      const poster = el("film-poster", { onfocusin: (event) => (this.#last = event.target) });
      entry = { item: el("li", {}, poster), poster };
      this.#posters.set(film.id, entry);
    }
    entry.poster.film = film;
    return entry.item;
  }

  #drawProgress() {
    this.#state.replaceChildren(...stateList(this.#library));
    for (const film of this.#library.films) {
      const progress = this.#library.progress.get(film.id);
      const poster = this.#posters.get(film.id)?.poster;
      if (!poster) continue;
      poster.rows = progress && !progress.done && progress.total ? progress.rows : null;
      poster.damage = progress?.partial ? progress.reason : "";
    }
  }

  #drawLeftOut() {
    const files = this.#library.leftOut;
    this.#leftOut.hidden = files.length === 0;
    const rows = files.map((file) =>
      el("li", {}, el("div", { class: "file" }, file.path), el("div", { class: "why" }, file.reason)),
    );
    const words = `${count(files.length, "file is", "files are")} left out, and why`;
    this.#leftOut.replaceChildren(el("summary", {}, words), el("ul", {}, ...rows));
  }

  #say(error) {
    const stays = this.#library.films.length > 0 && error.status !== 401;
    clearTimeout(this.#timer);
    if (error.status !== 401) this.#timer = setTimeout(this.#refresh, AGAIN);
    if (stays) return;
    this.#wall.replaceChildren();
    this.#state.replaceChildren();
    this.#notice.hidden = false;
    this.#notice.replaceChildren(...(error.status === 401 ? notLetIn() : [el("h1", {}, "One moment"), el("p", {}, error.message)]));
  }

  // ---- arrow keys ----------------------------------------------------------------------------------------

  #move(event) {
    const links = [...this.#wall.querySelectorAll("a.poster")];
    const here = links.indexOf(document.activeElement);
    const columns = getComputedStyle(this.#wall).gridTemplateColumns.split(" ").length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (step === undefined || here < 0) return;
    const target = links[here + step];
    if (!target) return;
    event.preventDefault();
    target.focus();
  }
}

/** Makes `items` the children, and moves none that stands right: the one with the focus keeps it. */
function arrange(list, items) {
  items.forEach((item, place) => {
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  while (list.children.length > items.length) list.lastElementChild.remove();
}

function arrivingPoster(file) {
  const name = file.path.split("/").pop();
  const words = el("span", { class: "words" }, el("span", { class: "name" }, name), el("span", { class: "facts" }, file.reason));
  return el("li", { class: "arriving" }, el("div", { class: "poster" }, words));
}

function nextStep(library) {
  const strip = el("grid-strip");
  strip.rows = EMPTY_SIGN;
  const folder = library.ready?.library?.roots?.[0]?.folder;
  if (!folder) return [strip, el("h1", {}, "No films yet"), el("p", {}, "As soon as somebody adds one, it appears here by itself.")];
  return [
    strip,
    el("h1", {}, "Drop a video into the library"),
    el("code", {}, folder),
    el("p", {}, "It appears here by itself, and it plays at once; better resolutions follow while you watch."),
  ];
}

function notLetIn() {
  if (hasAccounts) return [el("h1", {}, "One moment"), el("p", {}, "You are taken to the sign-in page.")];
  return [
    el("h1", {}, "You are not let in here yet"),
    el("p", {}, "Open this page on the machine the server runs on. To let everybody in your network watch, its owner writes into config.yaml:"),
    el("code", {}, "server: {guest: viewer}"),
  ];
}

customElements.define("home-page", HomePage);
