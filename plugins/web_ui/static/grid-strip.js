// Our sign: resolutions × segments as a thin map that fills as its parts are made.

const MADE = "#ffb14a";
const OPEN = "rgb(160 164 176 / 32%)";

/** `rows`: the lowest resolution first, each a string of 0 and 1; 1 is made. */
export class GridStrip extends HTMLElement {
  #rows = [];
  #canvas = document.createElement("canvas");
  #resized = new ResizeObserver(() => this.#draw());

  connectedCallback() {
    this.setAttribute("role", "img");
    this.append(this.#canvas);
    this.#resized.observe(this);
  }

  disconnectedCallback() {
    this.#resized.disconnect();
  }

  set rows(rows) {
    this.#rows = rows;
    const all = this.#rows.join("");
    const made = all.split("1").length - 1;
    this.setAttribute("aria-label", `${made} of ${all.length} parts are made`);
    this.#draw();
  }

  #draw() {
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.clientWidth * scale), Math.round(this.clientHeight * scale)];
    if (!width || !height) return;
    this.#canvas.width = width;
    this.#canvas.height = height;
    const paint = this.#canvas.getContext("2d");
    const rows = [...this.#rows].reverse(); // the best picture on top
    const gap = rows.length > 1 ? Math.max(1, Math.round(scale * 1.5)) : 0;
    const tall = (height - gap * (rows.length - 1)) / (rows.length || 1);
    rows.forEach((row, line) => drawRow(paint, row, line * (tall + gap), tall, width, scale));
  }
}

/** Neighbours of one kind are one stripe where cells would be thinner than a line. */
function drawRow(paint, row, top, tall, width, scale) {
  const step = width / row.length;
  const gap = step > 5 * scale ? scale * 1.5 : 0;
  for (let start = 0; start < row.length; ) {
    let end = start + 1;
    while (!gap && end < row.length && row[end] === row[start]) end += 1;
    paint.fillStyle = row[start] === "1" ? MADE : OPEN;
    paint.fillRect(start * step, top, Math.max((end - start) * step - gap, 1), tall);
    start = end;
  }
}

customElements.define("grid-strip", GridStrip);
