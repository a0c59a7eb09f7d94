"use strict";
// The drawing area: strokes and pictures with their history, and input by mouse, pen, touch and keyboard.

/** Size of the drawing area and width of the pen, in its own units, which do not depend on the screen. */
const SHEET = { width: 640, height: 480, pen: 20 };

/**
 * @typedef {[number, number]} Point
 * @typedef {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D} Pen
 * @typedef {{bitmap: ImageBitmap, area: Box, paper: number[]}} Picture `paper` is red, green and blue.
 * @typedef {Point[] | Picture | "clear"} Item A stroke; a picture, which hides all before it; or an empty sheet.
 */

class Sheet {
  /** @type {Item[]} */
  items = [];
  /** Number of items that are not undone. */
  count = 0;
  /** @type {Point[] | null} The stroke that is being drawn. */
  stroke = null;
  hidden = new OffscreenCanvas(1, 1);

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed called after each change, also while a stroke is drawn
   */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
  }

  get visible() {
    const items = this.items.slice(0, this.count);
    const first = items.map(Array.isArray).lastIndexOf(false);
    return items.slice(Math.max(first, 0)).filter((item) => item !== "clear");
  }

  get empty() {
    return this.visible.length === 0;
  }

  get picture() {
    const [first] = this.visible;
    return Array.isArray(first) ? undefined : first;
  }

  /** The part of the sheet that is read: the picture, or everything. */
  get area() {
    return this.picture?.area ?? { x: 0, y: 0, ...SHEET };
  }

  /** @param {Item} item */
  add(item) {
    this.items.splice(this.count++, Infinity, item);
    this.update();
  }

  /** @param {ImageBitmap} bitmap shown as large as possible, in the middle */
  addPicture(bitmap) {
    const scale = Math.min(SHEET.width / bitmap.width, SHEET.height / bitmap.height);
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    const area = { x: (SHEET.width - width) / 2, y: (SHEET.height - height) / 2, width, height };
    this.add({ bitmap, area, paper: medianOfBorder(bitmap) });
  }

  /** @param {Point} point */
  begin(point) {
    this.stroke = [point];
    this.add(this.stroke);
  }

  /** @param {Point[]} points */
  extend(points) {
    this.stroke?.push(...points);
    this.update();
  }

  finish() {
    this.stroke = null;
    this.update();
  }

  clear() {
    if (!this.empty) this.add("clear");
  }

  /** @param {number} steps -1 to undo, 1 to redo */
  move(steps) {
    this.count = Math.min(Math.max(this.count + steps, 0), this.items.length);
    this.finish();
  }

  update() {
    this.show();
    this.changed();
  }

  /** Draw the sheet on the page, in the colours of the theme. */
  show() {
    const { canvas } = this;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round((canvas.width * SHEET.height) / SHEET.width);
    const pen = /** @type {Pen} */ (canvas.getContext("2d"));
    pen.scale(canvas.width / SHEET.width, canvas.height / SHEET.height);
    this.paint(pen, getComputedStyle(canvas).color);
  }

  /**
   * Return the pixels of the part that is read, black ink on white paper or the picture, fitted into a size.
   *
   * @param {number} width
   * @param {number} height
   */
  pixels(width, height) {
    Object.assign(this.hidden, { width, height });
    const pen = /** @type {Pen} */ (this.hidden.getContext("2d", { willReadFrequently: true }));
    const { area, picture } = this;
    const scale = Math.min(width / area.width, height / area.height);
    pen.fillStyle = `rgb(${picture?.paper ?? [255, 255, 255]})`;
    pen.fillRect(0, 0, width, height);
    // At its own size, a picture is copied without interpolation.
    const copied = picture?.bitmap.width === width && picture.bitmap.height === height;
    if (picture && copied) pen.drawImage(picture.bitmap, 0, 0);
    pen.translate(Math.round((width - area.width * scale) / 2), Math.round((height - area.height * scale) / 2));
    pen.scale(scale, scale);
    pen.translate(-area.x, -area.y);
    this.paint(pen, "black", !copied);
    return pen.getImageData(0, 0, width, height);
  }

  /** Return the part that is read as a PNG file. */
  file() {
    this.pixels(2 * this.area.width, 2 * this.area.height);
    return this.hidden.convertToBlob();
  }

  /**
   * @param {Pen} pen
   * @param {string} ink
   * @param {boolean} [withPicture] whether the picture is drawn below the strokes
   */
  paint(pen, ink, withPicture = true) {
    const { x, y, width, height } = this.area;
    const [, green] = this.picture?.paper ?? [];
    pen.beginPath();
    pen.rect(x, y, width, height);
    pen.clip();
    pen.lineWidth = SHEET.pen;
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = green === undefined ? ink : green > 127 ? "black" : "white";
    pen.imageSmoothingQuality = "high";
    for (const item of this.visible) {
      if (Array.isArray(item)) drawStroke(pen, item);
      else if (withPicture) pen.drawImage(item.bitmap, x, y, width, height);
    }
  }
}

/**
 * Return a picture without transparency: on white, or on black if nothing is visible on white.
 *
 * @param {ImageBitmap} bitmap
 */
function opaque(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const pen = /** @type {Pen} */ (canvas.getContext("2d", { willReadFrequently: true }));
  for (const paper of ["white", "black"]) {
    pen.fillStyle = paper;
    pen.fillRect(0, 0, bitmap.width, bitmap.height);
    pen.drawImage(bitmap, 0, 0);
    const pixels = new Uint32Array(pen.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
    if (pixels.some((pixel) => pixel !== pixels[0])) break;
  }
  return canvas.transferToImageBitmap();
}

/**
 * Return the median red, green and blue of a picture's border.
 *
 * @param {ImageBitmap} bitmap
 */
function medianOfBorder(bitmap) {
  const side = 64;
  const pen = /** @type {Pen} */ (new OffscreenCanvas(side, side).getContext("2d"));
  pen.drawImage(bitmap, 0, 0, side, side);
  const { data } = pen.getImageData(0, 0, side, side);
  return [0, 1, 2].map((channel) => {
    const border = [];
    for (let i = 0; i < side; i++) {
      const edges = [i, i + side * (side - 1), i * side, i * side + side - 1];
      border.push(...edges.map((pixel) => data[4 * pixel + channel]));
    }
    return border.sort((a, b) => a - b)[2 * side];
  });
}

/**
 * Draw a smooth curve through the middles between neighbouring points.
 *
 * @param {Pen} pen
 * @param {Point[]} points
 */
function drawStroke(pen, points) {
  pen.beginPath();
  pen.moveTo(...points[0]);
  for (let i = 1; i < points.length - 1; i++) {
    const [x, y] = points[i];
    pen.quadraticCurveTo(x, y, (x + points[i + 1][0]) / 2, (y + points[i + 1][1]) / 2);
  }
  const [x, y] = points[points.length - 1];
  pen.lineTo(x, y);
  if (points.length === 1) pen.lineTo(x + 0.1, y); // a line without length is not drawn, not even as a dot
  pen.stroke();
}

/** @param {Sheet} sheet */
function drawWithPointer(sheet) {
  const { canvas } = sheet;
  /** @type {number | null} The pointer that draws; a second finger does not. */
  let active = null;
  /** @param {PointerEvent} event @returns {Point} */
  const position = (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * SHEET.width, ((event.clientY - top) / height) * SHEET.height];
  };
  /** @param {PointerEvent} event */
  const finish = (event) => {
    if (event.pointerId !== active) return;
    active = null;
    sheet.finish();
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || active !== null) return;
    active = event.pointerId;
    canvas.setPointerCapture(active);
    sheet.begin(position(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== active) return;
    const events = event.getCoalescedEvents();
    sheet.extend((events.length ? events : [event]).map(position));
  });
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
}

/** @type {Record<string, Point>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Draw with the keyboard: arrow keys move the pen, two at once diagonally, and space puts it down or lifts it.
 *
 * @param {Sheet} sheet
 * @param {HTMLElement} cursor shows the position of the pen
 * @param {(message: string) => void} announce
 */
function drawWithKeys(sheet, cursor, announce) {
  const { canvas } = sheet;
  /** @type {Set<string>} */
  const held = new Set();
  let [x, y] = [SHEET.width / 2, SHEET.height / 4];
  /** @param {number} right @param {number} down */
  const moveBy = (right, down) => {
    x = Math.min(Math.max(x + right, 0), SHEET.width);
    y = Math.min(Math.max(y + down, 0), SHEET.height);
    cursor.style.setProperty("--x", String(x));
    cursor.style.setProperty("--y", String(y));
    if (sheet.stroke) sheet.extend([[x, y]]);
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      if (sheet.stroke) sheet.finish();
      else sheet.begin([x, y]);
      announce(sheet.stroke ? "Pen down" : "Pen up");
    } else if (event.key === "Delete") {
      sheet.clear();
    } else if (event.key in ARROWS) {
      held.add(event.key);
      const step = event.shiftKey ? 4 : 16;
      for (const key of held) moveBy(step * ARROWS[key][0], step * ARROWS[key][1]);
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("blur", () => {
    held.clear();
    if (sheet.stroke) sheet.finish();
  });
  moveBy(0, 0);
}
