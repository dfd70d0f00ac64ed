// The keyboard of the player, and the list of it that ? shows.

import { el } from "./dom.js";

const SPEEDS = [1, 1.25, 1.5, 2, 0.75];
const LIST = [
  ["Space, K", "play or pause"],
  ["J, L", "10 seconds back, ahead"],
  ["← →", "5 seconds back, ahead"],
  ["↑ ↓", "louder, quieter"],
  ["0 … 9", "to that tenth of the film"],
  ["M", "sound off or on"],
  ["C", "subtitles on or off"],
  ["F", "full screen"],
  ["S", "speed"],
  ["Esc", "back"],
];

/** The action of a key event, or null. `player` is the watch page, `video` its element. */
export function actionOf(event, player, video) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const onButton = event.target.closest?.("button, a") !== null && event.target.closest?.("button, a") !== undefined;
  if (onButton && (event.key === " " || event.key === "Enter")) return null;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (/^[0-9]$/.test(key)) return () => player.seek((video.duration * Number(key)) / 10);
  return actions(player, video)[key] ?? null;
}

function actions(player, video) {
  const toggle = () => player.toggle();
  return {
    " ": toggle,
    k: toggle,
    j: () => player.seek(video.currentTime - 10),
    l: () => player.seek(video.currentTime + 10),
    ArrowLeft: () => player.seek(video.currentTime - 5),
    ArrowRight: () => player.seek(video.currentTime + 5),
    ArrowUp: () => player.volume(video.volume + 0.1),
    ArrowDown: () => player.volume(video.volume - 0.1),
    m: () => (video.muted = !video.muted),
    c: () => player.toggleSubtitles(),
    f: () => player.fullscreen(),
    s: () => (video.playbackRate = SPEEDS[(SPEEDS.indexOf(video.playbackRate) + 1) % SPEEDS.length]),
    "?": () => player.showKeys(),
    Escape: () => player.leave(),
  };
}

export function keyList() {
  const rows = LIST.flatMap(([key, what]) => [el("dt", {}, key), el("dd", {}, what)]);
  return el("dialog", { class: "keys", "aria-label": "Keys" }, el("strong", {}, "Keys"), el("dl", {}, ...rows));
}
