"use strict";
// Shows results on the page. This file neither computes nor keeps them.

/** Up to this many classes have bars; otherwise the ten most probable ones. */
const MAX_BARS = 20;

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const canvasOf = (id) => /** @type {HTMLCanvasElement} */ (element(id));
/** @param {number} probability */
const percent = (probability) => {
  if (probability > 0.9995) return "> 99.9 %";
  return probability < 0.0005 ? "0 %" : `${(100 * probability).toFixed(1)} %`;
};
/** @param {Reading} reading */
const labelOf = (reading) => (reading.abstained ? "?" : reading.label);

/**
 * Return the children of an element, after adding or removing some at the end.
 *
 * @param {string} id
 * @param {number} count
 * @param {string} tag of the children
 * @param {string[]} inner tags of their children
 */
function childrenOf(id, count, tag, ...inner) {
  const parent = element(id);
  while (parent.children.length < count) {
    const child = document.createElement(tag);
    child.append(...inner.map((name) => document.createElement(name)));
    parent.append(child);
  }
  while (parent.children.length > count) parent.lastChild?.remove();
  return /** @type {HTMLElement[]} */ ([...parent.children]);
}

/**
 * Return the answer as a sentence.
 *
 * @param {Reading[]} readings at least one
 * @param {string} noun what the classes are
 */
function verdictOf(readings, noun) {
  const [{ abstained, label, probability }] = readings;
  if (readings.length > 1) {
    const unknown = readings.filter((reading) => reading.abstained).length;
    return `${readings.length} ${noun}s${unknown ? `, ${unknown} of them not recognised` : ""}`;
  }
  if (abstained) return `Not a ${noun}${probability < 0.3 ? "" : `. Nearest: ${label}, ${percent(probability)}`}`;
  return `${percent(probability)} sure`;
}

/**
 * Show the answer, and the probabilities of the selected symbol.
 *
 * @param {Reading[]} readings
 * @param {number} selected
 * @param {string[]} classes
 */
function showAnswer(readings, selected, classes) {
  const text = readings.map(labelOf).join("");
  element("label").textContent = text;
  element("label").style.setProperty("--letters", String(text.length || 1));
  element("answer").classList.toggle("doubtful", readings[selected]?.abstained ?? false);
  element("bars-title").textContent = readings.length > 1 ? "Probabilities in the selected box" : "Probabilities";
  showBars(classes, readings[selected]?.probabilities ?? []);
}

/**
 * @param {string[]} classes
 * @param {number[]} probabilities empty if nothing is read
 */
function showBars(classes, probabilities) {
  const best = Math.max(...probabilities);
  let rows = classes.map((label, i) => ({ label, probability: probabilities[i] ?? 0 }));
  if (rows.length > MAX_BARS) rows = rows.sort((a, b) => b.probability - a.probability).slice(0, 10);
  const items = childrenOf("bars", rows.length, "li", "span", "i", "span");
  rows.forEach(({ label, probability }, i) => {
    const [name, bar, value] = items[i].children;
    name.textContent = label;
    /** @type {HTMLElement} */ (bar).style.setProperty("--p", String(probability));
    value.textContent = probabilities.length ? percent(probability) : "";
    items[i].classList.toggle("best", probability === best);
  });
}

/**
 * Show a box for each of several symbols.
 *
 * @param {Reading[]} readings
 * @param {number} selected
 * @param {(index: number) => void} select
 */
function showBoxes(readings, selected, select) {
  const boxes = childrenOf("boxes", readings.length > 1 ? readings.length : 0, "button", "span");
  boxes.forEach((box, i) => {
    const place = readings[i].box;
    for (const [name, value] of Object.entries(place)) box.style.setProperty(`--${name}`, String(value));
    box.className = place.y + place.height > 0.9 * SHEET.height ? "box high" : "box";
    box.onclick = () => select(i);
    box.ariaPressed = String(i === selected);
    box.ariaLabel = `${labelOf(readings[i])}, ${i + 1} of ${readings.length}, ${percent(readings[i].probability)}`;
    box.children[0].textContent = labelOf(readings[i]);
  });
}

/**
 * Show the image that the network gets.
 *
 * @param {Uint8Array} image
 * @param {number[]} shape channels, height, width
 */
function showImage(image, [channels, height, width]) {
  const plane = height * width;
  const pixels = new ImageData(width, height);
  for (let i = 0; i < plane; i++) {
    const [red, green, blue] = [0, 1, 2].map((channel) => image[(channel % channels) * plane + i]);
    pixels.data.set([red, green, blue, 255], 4 * i);
  }
  showPixels(canvasOf("input"), pixels);
}

/**
 * Show the result of each layer as a grid of maps, one per channel.
 *
 * @param {Activation[]} trace
 */
function showMaps(trace) {
  const layers = layersOf(trace);
  const figures = childrenOf("maps", layers.length, "figure", "figcaption", "canvas");
  layers.forEach(({ name, shape, values }, i) => {
    const [, count, height = 1, width = 1] = shape;
    const text = `${i + 1}. ${name}\n${count} ${height * width > 1 ? `maps of ${width} × ${height}` : "values"}`;
    const [caption, canvas] = figures[i].children;
    caption.textContent = text;
    canvas.role = "img";
    canvas.ariaLabel = text;
    // A network that also computes the mirrored image has two images in a batch.
    const first = values.subarray(0, count * height * width);
    showShades(/** @type {HTMLCanvasElement} */ (canvas), first, count, width, height);
  });
}

/**
 * Return the results of all layers but the last, whose result is the answer. A layer begins with a convolution or a
 * matrix product and contains the activation function, the pooling and the normalisation after it.
 *
 * @param {Activation[]} trace
 */
function layersOf(trace) {
  /** @type {Activation[]} */
  const layers = [];
  for (const step of trace) {
    const kind = { Conv: "Convolution", Gemm: "Linear" }[step.op];
    if (kind) layers.push({ ...step, name: kind });
    else if (layers.length && step.op !== "Transpose" && step.op !== "Reshape") {
      layers.push({ ...step, name: layers.pop()?.name ?? "" });
    }
  }
  return layers.slice(0, -1);
}

/**
 * Show maps side by side, in shades of the canvas's text colour, with a gap of one pixel between them.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} values `[count, height, width]`
 * @param {number} count
 * @param {number} width
 * @param {number} height
 */
function showShades(canvas, values, count, width, height) {
  const colour = getComputedStyle(canvas).color.match(/\d+/g)?.slice(0, 3).map(Number) ?? [];
  const size = width * height;
  const gap = size > 1 ? 1 : 0;
  const columns = 2 ** Math.ceil(Math.log2(count) / 2);
  const pixels = new ImageData(columns * (width + gap) - gap, Math.ceil(count / columns) * (height + gap) - gap);
  // Each map has its own range, so that weak ones are visible, too. Single values share one.
  const shared = size > 1 ? size : count;
  for (let start = 0; start < values.length; start += shared) {
    const part = values.subarray(start, start + shared);
    const [low, high] = part.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [0, 1e-3]);
    part.forEach((value, i) => {
      const [map, place] = [Math.floor((start + i) / size), (start + i) % size];
      const x = (map % columns) * (width + gap) + (place % width);
      const y = Math.floor(map / columns) * (height + gap) + Math.floor(place / width);
      pixels.data.set([...colour, (255 * (value - low)) / (high - low)], 4 * (y * pixels.width + x));
    });
  }
  showPixels(canvas, pixels);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} pixels
 */
function showPixels(canvas, pixels) {
  canvas.width = pixels.width;
  canvas.height = pixels.height;
  canvas.getContext("2d")?.putImageData(pixels, 0, 0);
}
