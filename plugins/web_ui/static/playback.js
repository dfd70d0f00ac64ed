// A film in a <video>: hls.js, or the browser's own HLS in Safari. Parts that are still being made are waited for.

import { get } from "./api.js";

const PATIENCE = 90; // s; the server holds a request up to 8 s, then says 503, and is asked again
const CELLS_RETRY = { maxNumRetry: PATIENCE, retryDelayMs: 1000, maxRetryDelayMs: 1000 };
const LIST_RETRY = { maxNumRetry: 8, retryDelayMs: 1000, maxRetryDelayMs: 4000 };

const CONFIG = {
  workerPath: new URL("vendor/hls.worker.js", import.meta.url).href,
  startLevel: 0,
  maxBufferLength: 24, // s: six parts ahead; what is far away is left to those who wait
  maxMaxBufferLength: 60,
  backBufferLength: 120,
  fragLoadPolicy: {
    default: {
      maxTimeToFirstByteMs: 20000,
      maxLoadTimeMs: 120000,
      timeoutRetry: { maxNumRetry: 6, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry: { ...CELLS_RETRY, shouldRetry: isWorthRetrying },
    },
  },
  manifestLoadPolicy: { default: { maxTimeToFirstByteMs: 20000, maxLoadTimeMs: 30000, timeoutRetry: LIST_RETRY, errorRetry: LIST_RETRY } },
  playlistLoadPolicy: { default: { maxTimeToFirstByteMs: 20000, maxLoadTimeMs: 30000, timeoutRetry: LIST_RETRY, errorRetry: LIST_RETRY } },
};

function isWorthRetrying(policy, tries, _isTimeout, response) {
  const status = response?.code ?? 0;
  return Boolean(policy) && tries < policy.maxNumRetry && (status === 0 || status >= 500);
}

/** Events: `qualities`, `quality`, `audios`, `audio`, `subtitles`, `subtitle`, `making` (a part is not there yet), `fault` (detail: a sentence). */
export class Playback extends EventTarget {
  #video;
  #hls = null;
  #Hls = null;
  #cures = 0;
  #chosen = -1;
  #subtitle = -1;

  constructor(video) {
    super();
    this.#video = video;
    video.textTracks.addEventListener("addtrack", () => this.#hls || this.#tell("subtitles"));
  }

  /** From second `from`. */
  async open(address, from = 0) {
    if (isSafari(this.#video)) {
      this.#video.src = address;
      this.#video.addEventListener("loadedmetadata", () => (this.#video.currentTime = from), { once: true });
      this.#video.addEventListener("error", () => this.#fault("This film cannot be played here right now; try again."));
      return;
    }
    this.#Hls = await loadHls();
    if (!this.#Hls.isSupported()) throw new Error("This browser cannot play films in parts; use a newer one.");
    this.#hls = new this.#Hls({ ...CONFIG, startPosition: from || -1 });
    const { Events } = this.#Hls;
    this.#hls.on(Events.MANIFEST_PARSED, () => this.#tell("qualities"));
    this.#hls.on(Events.LEVEL_SWITCHED, () => this.#tell("quality"));
    this.#hls.on(Events.AUDIO_TRACKS_UPDATED, () => this.#tell("audios"));
    this.#hls.on(Events.AUDIO_TRACK_SWITCHED, () => this.#tell("audio"));
    this.#hls.subtitleDisplay = false; // they are drawn by the page, above its controls
    this.#hls.on(Events.SUBTITLE_TRACKS_UPDATED, () => setTimeout(() => this.#tell("subtitles"))); // hls.js chooses after it
    this.#hls.on(Events.FRAG_LOADING, (_, { frag }) => this.#tell("making", frag.sn));
    this.#hls.on(Events.ERROR, (_, error) => this.#onError(error));
    this.#hls.loadSource(address);
    this.#hls.attachMedia(this.#video);
  }

  close() {
    this.#hls?.destroy();
    this.#hls = null;
    this.#subtitle = -1;
    this.#tell("subtitle");
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  /** Lowest first: {index, name}. */
  get qualities() {
    return (this.#hls?.levels ?? []).map((level, index) => ({ index, name: nameOf(level) }));
  }

  /** Index of the quality that was chosen; -1 for automatic. */
  get chosen() {
    return this.#chosen;
  }

  /** Name of what is seen now. */
  get current() {
    const level = this.#hls?.levels[this.#hls.currentLevel];
    return level ? nameOf(level) : "";
  }

  choose(index) {
    this.#chosen = index;
    if (this.#hls) this.#hls.nextLevel = index; // from the next part on; what plays goes on
    this.#tell("quality");
  }

  /** {index, name, language}; a browser that plays HLS by itself offers them in its own controls. */
  get audios() {
    return (this.#hls?.audioTracks ?? []).map((track, index) => ({ index, name: track.name, language: track.lang ?? "" }));
  }

  /** Index of the one that is heard. */
  get audio() {
    return this.#hls?.audioTrack ?? -1;
  }

  chooseAudio(index) {
    if (this.#hls) this.#hls.audioTrack = index;
    this.#tell("audio");
  }

  /** {index, name, language, forced, sdh, isDefault}. */
  get subtitles() {
    if (!this.#hls) return ownTracks(this.#video).map((track, index) => said(index, track.label, track.language, track.kind));
    return this.#hls.subtitleTracks.map((track, index) => ({
      ...said(index, track.name, track.lang, /transcribes-spoken-dialog/.test(track.characteristics) ? "captions" : ""),
      forced: track.forced,
      isDefault: track.default,
    }));
  }

  /** Index of the one that is shown; -1 for none. */
  get subtitle() {
    return this.#subtitle;
  }

  chooseSubtitle(index) {
    this.#subtitle = index;
    if (this.#hls) this.#hls.subtitleTrack = index;
    else ownTracks(this.#video).forEach((track, each) => (track.mode = each === index ? "showing" : "disabled"));
    this.#tell("subtitle");
  }

  /** The text track whose cues the page draws; null where there is none, or the browser draws them itself. */
  get words() {
    return this.#hls && this.#subtitle !== -1 ? (ownTracks(this.#video).find((track) => track.mode !== "disabled") ?? null) : null;
  }

  // ---- faults --------------------------------------------------------------------------------------------

  #onError(error) {
    if (!error.fatal) {
      if (error.response?.code === 503) this.#tell("making", error.frag?.sn);
      return;
    }
    if (error.type === this.#Hls.ErrorTypes.MEDIA_ERROR && this.#cures < 2) {
      this.#cures += 1;
      this.#hls.recoverMediaError();
      return;
    }
    this.#explain(error);
  }

  /** The server's own sentence about what could not be loaded. */
  async #explain(error) {
    const hls = this.#hls;
    const address = error.frag?.url ?? error.url;
    let sentence = "This film stopped playing; try again.";
    if (address && error.type === this.#Hls.ErrorTypes.NETWORK_ERROR) {
      sentence = await get(address).then(() => sentence, (fault) => fault.message);
    }
    if (hls === this.#hls) this.#fault(sentence); // else it was closed meanwhile, and why is told already
  }

  #fault(sentence) {
    this.#tell("fault", sentence);
  }

  #tell(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

async function loadHls() {
  try {
    return (await import("./vendor/hls.min.mjs")).default;
  } catch {
    throw new Error("The player's own parts are missing on the server; its owner runs `make run` once more.");
  }
}

const ownTracks = (video) => [...video.textTracks].filter(({ kind }) => kind === "subtitles" || kind === "captions" || kind === "forced");

const said = (index, name, language, kind) => ({
  index,
  name: name || language || `Subtitle ${index + 1}`,
  language: language ?? "",
  forced: kind === "forced",
  sdh: kind === "captions",
  isDefault: false,
});

const isSafari = (video) => "webkitSetPresentationMode" in video && video.canPlayType("application/vnd.apple.mpegurl") !== "";

/** "720p": its name is in the address of its playlist; the height lies for upright films. */
const nameOf = (level) => (level.url[0].includes("/original/") ? "Original" : resolutionOf(level));
const resolutionOf = (level) => /\/(\d+p)\//.exec(level.url[0])?.[1] ?? `${Math.min(level.height, level.width)}p`;
