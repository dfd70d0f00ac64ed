// One viewing of a film: it holds one of the account's streams from its start to its end, and tells how far it is.

import { get, send } from "./api.js";

const LEAST = 5; // s; who saw less begins anew

/** Events: `over` (detail: an ApiError or its `details`), when the stream was taken, stopped or has run out. */
export class Viewing extends EventTarget {
  #film;
  #video;
  #session = null;
  #from = 0;
  #timer = 0;
  #left = false;

  constructor(film, video) {
    super();
    this.#film = film;
    this.#video = video;
  }

  /** → {address, from}: what to play, and from which second; of no use once `stop` was called meanwhile. Rejects with
   *  409 where all streams are in use. */
  async start(steal = false) {
    try {
      const started = await send("POST", this.#path("start"), { steal });
      this.#session = started.session_id;
      this.#from = started.position >= LEAST ? started.position : 0;
      if (this.#left) this.stop();
      else this.#timer = setInterval(() => this.#beat(), started.heartbeat_seconds * 1000);
      return { address: started.manifest_url, from: this.#from };
    } catch (error) {
      if (error.status !== 404) throw error; // streams are not counted on this server
      return { address: (await get(this.#path("manifest"))).manifest_url, from: 0 };
    }
  }

  /** For good. Again is no fault; the page may be closing. */
  stop() {
    this.#left = true;
    clearInterval(this.#timer);
    if (this.#session === null) return;
    const told = { session_id: this.#session, position: this.#position };
    this.#session = null;
    send("POST", this.#path("stop"), told, { keepalive: true }).catch(() => null);
  }

  /** Of the news of `sessions`: whose stream is taken hears it here, long before a heartbeat is refused. */
  hear({ kind, session_id, state }) {
    if (kind !== "playback_stopped" || state === "expired") return; // what has expired comes back by itself
    this.#lose(String(session_id), { details: state === "stolen" ? "stolen" : "ended" });
  }

  async #beat() {
    const { duration } = this.#video;
    const told = { session_id: this.#session, position: this.#position };
    if (Number.isFinite(duration)) told.duration = duration;
    try {
      await send("PUT", this.#path("progress"), told);
    } catch (error) {
      if (error.status === 409) this.#lose(told.session_id, error); // else the next one is another chance
    }
  }

  /** Once, however many tell it, and not for a session that is followed by another one here. */
  #lose(session, error) {
    if (session !== this.#session) return;
    clearInterval(this.#timer);
    this.#session = null;
    this.dispatchEvent(new CustomEvent("over", { detail: error }));
  }

  /** Until a picture has moved it is where the film is to begin: who leaves before that has lost no place. */
  get #position() {
    const { ended, duration, currentTime, played } = this.#video;
    return ended ? duration : currentTime || (played.length ? 0 : this.#from);
  }

  #path(what) {
    return `v1/streaming/${encodeURIComponent(this.#film.id)}/${what}`;
  }
}
