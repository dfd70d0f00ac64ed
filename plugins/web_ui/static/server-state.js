// One line on what the server is doing, in the words of who looks.

import { count, el } from "./dom.js";

export function stateList(library) {
  return [watching(library), working(library), films(library), encoding(library), leftOut(library), plugins(library)].filter(Boolean);
}

const item = (kind, text, title = null) => el("li", { class: kind, title }, text);

function watching({ ready }) {
  const roots = ready?.library?.roots ?? [];
  if (!roots.length) return item("bad", "Not watching: is the server still starting?");
  const away = roots.filter((root) => !root.online);
  if (away.length) return item("bad", unseen(away, roots), away[0].reason);
  return item("good", "Watching the library", roots.map((root) => root.folder).filter(Boolean).join("\n") || null);
}

// A folder that is missing is watched no more; one that is there is watched, whatever is gone from it.
function unseen(away, roots) {
  if (away.every((root) => root.mode !== "off")) return "Most files of a library folder are gone";
  if (away.length === roots.length) return "The library's disk is not connected";
  return `${count(away.length, "library folder is", "library folders are")} not connected`;
}

function working({ ready }) {
  return ready?.workers === 0 ? item("bad", "No worker is running", "Films play as far as they are prepared; restart the server.") : null;
}

function films({ total }) {
  return total ? item("", count(total, "title", "titles")) : null;
}

function encoding({ films: shown, progress }) {
  const known = shown.map((film) => progress.get(film.id)).filter((one) => one && one.total);
  const failed = known.filter((one) => one.failed).length;
  if (failed) return item("bad", `${count(failed, "film", "films")} could not be prepared`, known.find((one) => one.failed).reason);
  const open = known.filter((one) => !one.done);
  if (!open.length) return null;
  const made = open.reduce((sum, one) => sum + one.made, 0);
  const total = open.reduce((sum, one) => sum + one.total, 0);
  return item("busy", `${made} of ${total} parts are prepared`);
}

function leftOut({ leftOut: files }) {
  return files.length ? item("", `${count(files.length, "file", "files")} left out`) : null;
}

function plugins({ ready }) {
  const names = ready?.plugins_left_out ?? [];
  return names.length ? item("bad", `Left out: ${names.join(", ")}`, "mediaserver plugins tells why") : null;
}
