// Small pictures of the film by time: sprites.vtt says where each one lies on its sheet.

const CUE = /(?:(\d+):)?(\d+):(\d+\.\d+) --> (?:(\d+):)?(\d+):(\d+\.\d+)\s+(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)/g;

export class ScrubPictures {
  #base;
  #tiles;

  /** null where there are none. `address` is that of sprites.vtt. */
  static async load(address) {
    const answer = await fetch(address).catch(() => null);
    return answer?.ok ? new ScrubPictures(address, await answer.text()) : null;
  }

  constructor(address, text) {
    this.#base = address;
    this.#tiles = [...text.matchAll(CUE)].map((found) => ({
      start: seconds(found.slice(1, 4)),
      sheet: found[7],
      box: found.slice(8, 12).map(Number),
    }));
  }

  /** → {address, x, y, width, height}, or undefined. */
  at(second) {
    const tile = this.#tiles.findLast((each) => each.start <= second) ?? this.#tiles[0];
    if (!tile) return undefined;
    const [x, y, width, height] = tile.box;
    return { address: new URL(tile.sheet, this.#base).href, x, y, width, height };
  }
}

const seconds = ([hours, minutes, rest]) => Number(hours ?? 0) * 3600 + Number(minutes) * 60 + Number(rest);
