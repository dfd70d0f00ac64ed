// The player: the film fills the page, controls fade, and what is being waited for is always said.

import "./audio-menu.js";
import "./grid-strip.js";
import "./quality-menu.js";
import "./seek-bar.js";
import "./subtitle-menu.js";
import "./subtitle-text.js";
import { get, reachable } from "./api.js";
import { clock, el, icon } from "./dom.js";
import { progressOf } from "./library.js";
import { calmly } from "./news.js";
import { Playback } from "./playback.js";
import { actionOf, keyList } from "./player-keys.js";
import { ScrubPictures } from "./scrub-pictures.js";
import { Viewing } from "./viewing.js";

const FADE = 2500; // ms without a move
const SAY_AFTER = 400; // ms; a short wait needs no words
const SILENT = 60_000; // ms without a word of a player, from which on that is said
const OVER = {
  stolen: "This stream is watched elsewhere now.",
  ended: "This stream has ended here: it was stopped, or plays in another tab.",
};
const ICONS = {
  back: "M20 11H7.8l5.6-5.6L12 4l-8 8 8 8 1.4-1.4L7.8 13H20z",
  play: "M8 5v14l11-7z",
  pause: "M6 5h4v14H6zm8 0h4v14h-4z",
  sound: "M3 9v6h4l5 5V4L7 9zm13.5 3A4.5 4.5 0 0 0 14 8v8a4.5 4.5 0 0 0 2.5-4z",
  muted: "M3 9v6h4l5 5V4L7 9zm18 .4L19.6 8 17.5 10.1 15.4 8 14 9.4l2.1 2.1L14 13.6l1.4 1.4 2.1-2.1 2.1 2.1 1.4-1.4-2.1-2.1z",
  full: "M5 5h6v2H7v4H5zm8 0h6v6h-2V7h-4zM5 13h2v4h4v2H5zm12 0h2v6h-6v-2h4z",
};

class WatchPage extends HTMLElement {
  #film = null;
  #progress = null;
  #row = null; // of what is seen now: a string of 0 and 1
  #video = el("video", { playsinline: true, preload: "auto" });
  #playback = new Playback(this.#video);
  #viewing = null;
  #title = el("h1");
  #doing = el("div", { class: "doing", role: "status", hidden: true });
  #seek = el("seek-bar");
  #time = el("span", { class: "time" }, "0:00");
  #begin = button("play", "Play", () => this.toggle());
  #play = button("play", "Play (K)", () => this.toggle());
  #sound = button("sound", "Sound (M)", () => (this.#video.muted = !this.#video.muted));
  #volume = el("input", { class: "volume", type: "range", min: "0", max: "1", step: "0.05", value: "1", "aria-label": "Volume" });
  #quality = el("quality-menu");
  #audio = el("audio-menu");
  #subtitles = el("subtitle-menu");
  #words = el("subtitle-text");
  #damage = el("p", { class: "damage", hidden: true });
  #keys = keyList();
  #end = new AbortController();
  #wakes = false;
  #fading = 0;
  #saying = 0;
  #refresh = calmly(() => this.#lookAtProgress(), 1000);

  connectedCallback() {
    const head = el("header", { class: "head" }, button("back", "Back (Esc)", () => this.leave()), el("div", {}, this.#title, this.#damage));
    const full = button("full", "Full screen (F)", () => this.fullscreen());
    const row = el("div", { class: "buttons" }, this.#play, this.#time, el("span", { class: "space" }), this.#sound, this.#volume, this.#audio, this.#subtitles, this.#quality, full);
    this.#begin.classList.add("begin");
    this.#begin.hidden = true;
    this.append(this.#video, this.#words, head, this.#doing, this.#begin, el("div", { class: "bars" }, this.#seek, row), this.#keys);
    this.#quality.playback = this.#playback;
    this.#audio.playback = this.#playback;
    this.#subtitles.playback = this.#playback;
    this.#listen();
    this.#open();
  }

  disconnectedCallback() {
    this.#end.abort();
    clearTimeout(this.#fading);
    clearTimeout(this.#saying);
    this.#viewing?.stop();
    this.#playback.close();
    if (document.fullscreenElement) document.exitFullscreen();
  }

  set news(news) {
    const { signal } = this.#end;
    for (const topic of ["progress", "found"]) news.addEventListener(topic, this.#refresh, { signal });
    news.addEventListener("sessions", (event) => this.#viewing?.hear(event.detail), { signal });
  }

  // ---- opening -------------------------------------------------------------------------------------------

  async #open() {
    this.#say("Reading film…", 0);
    try {
      this.#film = await get(`v1/content/${encodeURIComponent(this.slug)}`);
      if (this.#left) return;
      this.#title.textContent = document.title = nameOf(this.#film);
      if (this.#film.type === "series") {
        this.#showEpisodes();
        return;
      }
      this.#refresh();
      this.#seek.chapters = this.#film.chapters;
      this.#viewing = new Viewing(this.#film, this.#video);
      this.#viewing.addEventListener("over", (event) => this.#taken(event.detail));
      await this.#view();
    } catch (error) {
      this.#fault(error.message);
    }
  }

  async #view(steal = false) {
    try {
      const { address, from } = await this.#viewing.start(steal);
      if (this.#left) return;
      await this.#playback.open(reachable(address), from);
      this.#start();
      if (this.#film.sprites) this.#seek.pictures = await ScrubPictures.load(new URL("sprites.vtt", new URL(reachable(address), document.baseURI)).href);
    } catch (error) {
      if (error.sessions?.length) this.#full(error);
      else this.#fault(error.message);
    }
  }

  /** All streams are in use: who uses them, and the way to take the one that was heard of longest ago. */
  #full({ sessions }) {
    const answer = sessions.length === 1 ? "Stop it and watch here" : "Stop the oldest and watch here";
    this.#ask("All streams of this account are in use.", answer, () => this.#view(true), el("ul", {}, ...sessions.map(holder)));
  }

  /** Somebody else watches with this stream now, or it was stopped. */
  #taken({ details, message }) {
    this.#playback.close();
    this.#ask(OVER[details] ?? message, "Watch here", () => this.#view(details === "stolen"));
  }

  /** Whoever leaves while the server is asked wants no stream any more. */
  get #left() {
    return this.#end.signal.aborted;
  }

  #start() {
    this.#video.play().catch((error) => {
      if (error.name === "NotAllowedError") this.#begin.hidden = false; // the browser wants a click first
    });
  }

  #showEpisodes() {
    this.#quiet();
    this.querySelector(".bars").hidden = true;
    this.#video.replaceWith(el("nav", { class: "episodes", "aria-label": "Episodes" }, ...episodeRows(this.#film)));
  }

  // ---- what others may do with it ------------------------------------------------------------------------

  toggle() {
    if (this.#video.paused) this.#video.play().catch(() => null);
    else this.#video.pause();
  }

  seek(seconds) {
    if (Number.isFinite(this.#video.duration)) this.#video.currentTime = Math.min(Math.max(0, seconds), this.#video.duration);
  }

  volume(share) {
    this.#video.muted = false;
    this.#video.volume = Math.min(1, Math.max(0, share));
  }

  toggleSubtitles() {
    this.#subtitles.toggle();
  }

  fullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen();
    else this.#video.webkitEnterFullscreen?.(); // iPhone
  }

  showKeys() {
    this.#keys.open ? this.#keys.close() : this.#keys.showModal();
  }

  leave() {
    const { series } = this.#film ?? {};
    location.hash = series ? `#/watch/${encodeURIComponent(series.slug)}` : "#/";
  }

  // ---- listening -----------------------------------------------------------------------------------------

  #listen() {
    const on = (target, names, act) => names.split(" ").forEach((name) => target.addEventListener(name, act, { signal: this.#end.signal }));
    const video = this.#video;
    on(video, "play pause emptied volumechange", () => this.#drawButtons());
    on(video, "timeupdate durationchange progress seeking ratechange", () => this.#drawTime());
    on(video, "ratechange", () => this.#awake());
    on(video, "waiting seeking stalled", () => video.readyState < 3 && this.#wait());
    on(video, "playing canplay seeked", () => video.readyState >= 3 && this.#quiet());
    on(video, "pointerdown", (event) => (this.#wakes = event.pointerType === "touch" && this.classList.contains("idle")));
    on(video, "click", () => this.#wakes || this.toggle()); // the first touch only brings the controls back
    on(video, "ended", () => this.#awake());
    on(this.#seek, "seek", (event) => this.seek(event.detail));
    on(this.#volume, "input", () => this.volume(Number(this.#volume.value)));
    on(this.#playback, "fault", (event) => this.#fault(event.detail));
    on(this.#playback, "quality", () => this.#drawStrip());
    on(this.#playback, "subtitle", () => this.#drawWords());
    on(video.textTracks, "change addtrack", () => this.#drawWords());
    on(this, "pointermove pointerdown focusin", () => this.#awake());
    on(document, "keydown", (event) => this.#key(event));
    on(window, "pagehide", () => this.#viewing?.stop());
    on(window, "pageshow", (event) => event.persisted && window.dispatchEvent(new Event("hashchange")));
  }

  #key(event) {
    this.#awake();
    if (event.target === this.#volume) return;
    const action = actionOf(event, this, this.#video);
    if (!action || (this.#keys.open && event.key === "Escape")) return;
    event.preventDefault();
    action();
  }

  #awake() {
    this.classList.remove("idle");
    clearTimeout(this.#fading);
    this.#fading = setTimeout(() => {
      const busy = this.#video.paused || !this.#doing.hidden || [this.#quality, this.#audio, this.#subtitles].some((menu) => menu.isOpen);
      this.classList.toggle("idle", !busy);
    }, FADE);
  }

  // ---- drawing -------------------------------------------------------------------------------------------

  #drawButtons() {
    const { paused, muted, volume } = this.#video;
    if (!paused) this.#begin.hidden = true;
    this.#play.replaceChildren(icon(paused ? ICONS.play : ICONS.pause));
    this.#play.title = paused ? "Play (K)" : "Pause (K)";
    this.#play.setAttribute("aria-label", this.#play.title);
    this.#sound.replaceChildren(icon(muted || volume === 0 ? ICONS.muted : ICONS.sound));
    this.#volume.value = muted ? 0 : volume;
    this.#awake();
  }

  #drawTime() {
    const { currentTime, duration, buffered, playbackRate } = this.#video;
    let until = 0;
    for (let i = 0; i < buffered.length; i += 1) if (buffered.start(i) <= currentTime + 0.5) until = buffered.end(i);
    this.#seek.show(currentTime, duration, until);
    const speed = playbackRate === 1 ? "" : ` · ${playbackRate}×`;
    this.#time.textContent = `${clock(currentTime)} / ${clock(duration || this.#film?.duration)}${speed}`;
  }

  #drawWords() {
    this.#words.track = this.#playback.words;
  }

  async #lookAtProgress() {
    if (!this.#film || this.#progress?.done) return;
    this.#progress = (await progressOf([this.#film]).catch(() => null))?.get(this.#film.id) ?? null;
    this.#drawStrip();
    this.#damage.hidden = !this.#progress?.partial;
    this.#damage.textContent = this.#progress?.partial ? this.#progress.reason : "";
    if (!this.#doing.hidden && !this.#doing.classList.contains("fault")) this.#drawWaiting();
  }

  #drawStrip() {
    const names = this.#playback.qualities.map((each) => each.name);
    this.#row = this.#progress?.rows[Math.max(0, names.indexOf(this.#playback.current))] ?? null;
    this.#seek.row = this.#progress?.done ? null : this.#row;
  }

  #wait() {
    if (this.#doing.classList.contains("fault")) return;
    this.#say(this.#isMadeHere() ? "Loading this part…" : "Making this part…", SAY_AFTER);
  }

  /** As far as is known: the map is a second old, and its parts are not all of one length. */
  #isMadeHere() {
    if (this.#progress?.done) return true;
    const { currentTime, duration } = this.#video;
    return this.#row?.[Math.floor((currentTime / duration) * this.#row.length)] === "1";
  }

  #say(sentence, after) {
    clearTimeout(this.#saying);
    if (!sentence) return this.#quiet();
    this.#saying = setTimeout(() => {
      this.#doing.dataset.sentence = sentence;
      this.#drawWaiting();
      this.#doing.hidden = false;
      this.#refresh();
    }, after);
  }

  #drawWaiting() {
    const { rows, made, total, done } = this.#progress ?? {};
    const far = total && !done ? ` ${made} of ${total} parts are made.` : "";
    this.#doing.replaceChildren(el("span", {}, `${this.#doing.dataset.sentence}${far}`));
    if (!far) return;
    const strip = el("grid-strip");
    this.#doing.append(strip);
    strip.rows = rows;
  }

  #quiet() {
    clearTimeout(this.#saying);
    if (!this.#doing.classList.contains("fault")) this.#doing.hidden = true;
  }

  #fault(sentence) {
    this.#ask(sentence, "Try again", () => window.dispatchEvent(new Event("hashchange")));
  }

  #ask(sentence, answer, act, ...more) {
    clearTimeout(this.#saying);
    const button = el("button", { class: "main-action" }, answer);
    button.addEventListener("click", () => {
      this.#doing.className = "doing";
      this.#doing.hidden = true;
      act();
    });
    this.#doing.className = "doing fault";
    this.#doing.replaceChildren(el("p", {}, sentence), ...more, button);
    this.#doing.hidden = false;
    button.focus();
  }
}

/** An episode is called by its series and number too; one without a name of its own is "Episode 2". */
function nameOf({ title, series, season, episode }) {
  if (!series) return title;
  const own = isUnnamed(title, episode) ? null : title;
  return [series.title, `S${season} E${episode}`, own].filter(Boolean).join(" · ");
}

const isUnnamed = (title, episode) => title === `Episode ${episode}` || /^S\d+E\d+$/.test(title);

function episodeRows({ seasons, episodes_list: all }) {
  return all.flatMap(({ slug, title, duration, season, episode }, place) => {
    const begins = seasons > 1 && season !== all[place - 1]?.season;
    const name = isUnnamed(title, episode) ? title : `${episode}. ${title}`;
    const row = el("a", { href: `#/watch/${encodeURIComponent(slug)}` }, el("span", {}, name), el("span", {}, clock(duration)));
    return begins ? [el("h2", {}, season ? `Season ${season}` : "Specials"), row] : [row];
  });
}

/** Who holds a stream; a player that crashed holds its own for some minutes more, and is known by its silence. */
function holder({ device, content, started_at, last_heartbeat }) {
  const row = el("li", {}, el("strong", {}, device.name), ` plays ${content.title}, since `, timeOf(started_at));
  if (Date.now() - new Date(last_heartbeat) > SILENT) row.append(", last heard of at ", timeOf(last_heartbeat));
  return row;
}

const timeOf = (moment) =>
  el("time", { datetime: moment }, new Date(moment).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));

const button = (name, label, act) => el("button", { class: "icon", type: "button", "aria-label": label, title: label, onclick: act }, icon(ICONS[name]));

customElements.define("watch-page", WatchPage);
