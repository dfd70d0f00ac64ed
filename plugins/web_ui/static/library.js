// What the wall shows, asked from /v1: films, how far each is, files on their way or left out, the watcher's state.

import { get, getIfAllowed } from "./api.js";

const PAGE = 100;
const ARRIVING = ["settling", "probing"];

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

  /** Asks only for films that were not complete when last asked, in one question. */
  async lookAtProgress() {
    const open = this.films.filter((film) => film.type !== "series" && !this.progress.get(film.id)?.done);
    for (let start = 0; start < open.length; start += PAGE) {
      const found = await progressOf(open.slice(start, start + PAGE));
      for (const [id, progress] of found) this.progress.set(id, progress);
    }
  }

  forget() {
    this.progress.clear();
  }
}

/** Film id → which parts are made, and the reason in words. */
export async function progressOf(films) {
  const ids = films.map((film) => film.id).join(",");
  const answer = await getIfAllowed(`v1/streaming/progress?ids=${ids}`);
  return new Map((answer?.progress ?? []).map((told) => [told.content_id, shown(told)]));
}

function shown(told) {
  const rows = Object.values(told.renditions);
  const sum = summed(rows);
  const done = sum.done && told.status !== "processing"; // what is made last may still be told to be damaged
  return { ...sum, done, failed: told.status === "failed", partial: told.status === "partial", reason: told.reason };
}

function summed(rows) {
  const made = rows.reduce((sum, row) => sum + row.split("1").length - 1, 0);
  const total = rows.reduce((sum, row) => sum + row.length, 0);
  return { rows, made, total, done: total > 0 && made === total };
}
