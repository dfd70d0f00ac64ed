// What the wall shows, asked from /v1: films, how far each is, files on their way or left out, the watcher's state.

import { get, getIfAllowed } from "./api.js";

const PAGE = 100;
const ARRIVING = ["settling", "probing"];
const AT_ONCE = 4; // requests for progress side by side

export class Library {
  films = [];
  total = 0;
  ready = null;
  files = null; // null for who is no administrator
  progress = new Map(); // film id → {rows, made, total, done, reason}
  #pages = 1;

  get isAdmin() {
    return this.files !== null;
  }

  get hasMore() {
    return this.films.length < this.total;
  }

  get arriving() {
    return (this.files ?? []).filter((file) => ARRIVING.includes(file.state));
  }

  get leftOut() {
    return (this.files ?? []).filter((file) => !ARRIVING.includes(file.state) && file.state !== "ready");
  }

  async more() {
    this.#pages += 1;
    await this.look();
  }

  /** Raises ApiError: 401 where the visitor is not let in. */
  async look() {
    const films = [];
    let page = null;
    for (let number = 1; number <= this.#pages && (page?.pagination.has_next ?? true); number += 1) {
      page = await get(`v1/content/browse?limit=${PAGE}&page=${number}`);
      films.push(...page.content);
    }
    this.total = page.pagination.total;
    this.films = films;
    [this.ready, this.files] = await Promise.all([getIfAllowed("ready"), this.#files()]);
  }

  async #files() {
    return (await getIfAllowed(`v1/admin/library?limit=${PAGE}`))?.files ?? null;
  }

  /** Asks only for films that were not complete when last asked. */
  async lookAtProgress() {
    const open = this.films.filter((film) => film.type !== "series" && !this.progress.get(film.id)?.done);
    const next = async () => {
      for (let film = open.shift(); film; film = open.shift()) {
        const progress = await (this.isAdmin ? gridOf(film) : countsOf(film));
        if (progress) this.progress.set(film.id, progress);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }

  forget() {
    this.progress.clear();
  }
}

/** Which parts are made, for administrators. */
export async function gridOf(film) {
  const status = await getIfAllowed(`v1/admin/content/${encodeURIComponent(film.id)}/processing-status`);
  return status && { ...summed(Object.values(status.grid)), failed: status.status === "failed", reason: status.reason };
}

/** How many parts are made, for everybody. */
export async function countsOf(film) {
  const detail = await getIfAllowed(`v1/content/${encodeURIComponent(film.id)}`);
  return detail && { ...summed(detail.renditions), failed: false, reason: "" };
}

function summed(rows) {
  const made = rows.reduce((sum, row) => sum + (row.made ?? row.split("1").length - 1), 0);
  const total = rows.reduce((sum, row) => sum + (row.total ?? row.length), 0);
  return { rows, made, total, done: total > 0 && made === total };
}
