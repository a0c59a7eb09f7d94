"use strict";
// Connects the drawing area, the model and the page.

/** Limits of a picture file. For models of symbols, longer sides of a picture are reduced to `side` pixels. */
const LIMITS = { bytes: 50e6, pixels: 100e6, side: 1280 };
/** Limit of pixels for models of things, whose pictures are not reduced before they are fitted into the image. */
const FITTED_PIXELS = 50e6;
/** Pixels per unit of the sheet at which drawings are read. Their pen is then 8 pixels wide. */
const RESOLUTION = 0.4;
/** Milliseconds between answers while a stroke is drawn, so that the worker is usually idle when the stroke ends. */
const PAUSE = 50;

const model = /** @type {Model} */ (JSON.parse(element("model").textContent ?? ""));
const { classes, image_shape: imageShape, preprocessing } = model.description;
const noun = classes.join("") === "0123456789" ? "digit" : preprocessing === "digit" ? "symbol" : "known class";

const sheet = new Sheet(canvasOf("sheet"), sheetChanged);
/** A server answers instead of a model in the browser; see `server.js`. */
const ask = model.server ? (/** @type {any} */ question) => askServer(question, model.description) : startReader();
/** @type {Reading[]} What was read in the drawing. */
let readings = [];
let selected = 0;
/** Whether an answer is being computed, and whether the drawing has changed since it began. */
let [busy, outdated] = [false, false];
let lastStart = 0;

/**
 * Start the worker. Without workers, the same code runs in the page.
 *
 * @returns {(question: object) => Promise<any>} a function that sends a message and returns the reply
 */
function startReader() {
  /** @type {Map<number, (reply: any) => void>} */
  const waiting = new Map();
  /** @param {any} reply */
  const receive = (reply) => waiting.get(reply.id)?.(reply);
  /** @type {any} */
  let worker = { postMessage: receive };
  try {
    const source = `${createRuntime}\n${createDrawing}\n${createFitting}\n(${startWorker})(self)`;
    worker = new Worker(URL.createObjectURL(new Blob([source])));
    worker.onmessage = (/** @type {MessageEvent} */ event) => receive(event.data);
    worker.onerror = () => showNotice("The worker stopped. Reload the page.");
  } catch {
    const scope = worker;
    startWorker(scope);
    worker = { postMessage: (/** @type {any} */ data) => scope.onmessage({ data }) };
    showNotice("This browser has no workers, so the page may respond slowly.");
  }
  let count = 0;
  return async (question) => {
    const id = ++count;
    const reply = await new Promise((resolve) => {
      waiting.set(id, resolve);
      worker.postMessage({ ...question, id });
    });
    waiting.delete(id);
    if (reply.kind === "error") throw new Error(reply.message);
    return reply;
  };
}

function sheetChanged() {
  element("frame").classList.toggle("drawn", !sheet.empty);
  element("frame").classList.toggle("drawing", sheet.stroke !== null);
  element("undo").ariaDisabled = String(sheet.count === 0);
  element("redo").ariaDisabled = String(sheet.count === sheet.items.length);
  element("clear").ariaDisabled = element("save").ariaDisabled = String(sheet.empty);
  element("answer").ariaBusy = "true";
  showNotice("");
  if (!sheet.stroke || performance.now() - lastStart > PAUSE) update();
}

/** Show the answer to the newest drawing. Drawings that are replaced while another is read are not read. */
async function update() {
  outdated = true;
  if (busy) return;
  busy = true;
  while (outdated) {
    outdated = false;
    lastStart = performance.now();
    try {
      const verdict = await read();
      selected = Math.max(readings.length - 1, 0);
      showSelected();
      element("verdict").textContent = verdict || "Draw something, and the answer appears here.";
      if (outdated) continue;
      element("answer").ariaBusy = "false";
      if (!sheet.stroke) announce(verdict && `${element("label").textContent}: ${verdict}`);
      // While a stroke is drawn, layers that are not on the screen would only delay the next answer.
      if (!sheet.stroke || element("maps").getBoundingClientRect().top < innerHeight) await showLayers();
    } catch (/** @type {any} */ error) {
      showNotice(error.message);
    }
  }
  busy = false;
}

/** Read the drawing, and return the answer as a sentence. */
async function read() {
  if (sheet.empty) {
    readings = [];
    return "";
  }
  const { area, picture } = sheet;
  const scale = picture ? picture.bitmap.width / area.width : RESOLUTION;
  const reply = await ask(questionAt(scale));
  readings = reply.symbols;
  for (const { box } of readings) {
    // From pixels of the drawing to units of the sheet.
    Object.assign(box, { x: area.x + box.x / scale, y: area.y + box.y / scale });
    Object.assign(box, { width: box.width / scale, height: box.height / scale });
  }
  return readings.length ? verdictOf(readings, noun) : `No symbol was found in the picture: ${reply.reason}.`;
}

/** Return the question for the worker. @param {number} scale pixels per unit of the sheet */
function questionAt(scale) {
  const [width, height] = [Math.round(sheet.area.width * scale), Math.round(sheet.area.height * scale)];
  const { data } = sheet.pixels(width, height);
  if (preprocessing !== "digit" || model.server) return { kind: "fit", colours: data, width, height };
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    grey[i] = 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2];
  }
  return { kind: "read", grey, width, height };
}

function showSelected() {
  showAnswer(readings, selected, classes);
  showBoxes(readings, selected, (index) => {
    selected = index;
    showSelected();
    showLayers();
  });
  element("occlusion").hidden = true;
  element("explanation").textContent = "";
  element("explain").ariaDisabled = String(!readings.length);
}

/** The image of the selected symbol, or an empty one. */
const selectedImage = () => readings[selected]?.image ?? new Uint8Array(imageShape.reduce((a, b) => a * b));

async function showLayers() {
  const image = selectedImage();
  element("maps").hidden = !readings.length;
  showImage(image, imageShape);
  if (!readings.length) return;
  showMaps((await ask({ kind: "classify", image, trace: true })).trace);
}

async function explain() {
  if (!readings.length) return;
  const { label } = readings[selected];
  const image = selectedImage();
  element("explanation").textContent = "Computing …";
  const { side, values } = await ask({ kind: "occlusion", image });
  if (image !== selectedImage()) return;
  showShades(canvasOf("occlusion"), values, 1, side, values.length / side);
  element("occlusion").hidden = false;
  element("explanation").textContent = `Orange: covering this part makes ${label} less probable.`;
}

/**
 * Show a picture instead of the drawing. If it cannot be used, the drawing remains.
 *
 * @param {File | undefined} file
 */
async function openPicture(file) {
  if (!file) return showNotice("This is not a picture file.");
  if (file.size > LIMITS.bytes) return showNotice(`${file.name} is larger than ${LIMITS.bytes / 1e6} MB.`);
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    // Its size is known before it is decoded.
    await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject }));
    const { naturalWidth: width, naturalHeight: height } = image;
    const limit = preprocessing === "digit" ? LIMITS.pixels : FITTED_PIXELS;
    if (width * height >= limit) {
      return showNotice(`${file.name} has ${width} × ${height} pixels. The limit is ${limit / 1e6} megapixels.`);
    }
    const reduced = preprocessing === "digit" ? Math.min(1, LIMITS.side / Math.max(width, height)) : 1;
    /** @type {ImageBitmapOptions} Colour profiles are ignored, as by `penstroke predict`. */
    const options = { colorSpaceConversion: "none" };
    if (reduced < 1) {
      const [resizeWidth, resizeHeight] = [Math.ceil(width * reduced), Math.ceil(height * reduced)];
      Object.assign(options, { resizeWidth, resizeHeight, resizeQuality: "high" });
    }
    const bitmap = await createImageBitmap(image, options);
    sheet.addPicture(file.type === "image/jpeg" ? bitmap : opaque(bitmap));
  } catch {
    showNotice(`${file.name} is not a picture that this browser can open.`);
  } finally {
    URL.revokeObjectURL(image.src);
  }
}

async function download() {
  if (sheet.empty) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await sheet.file());
  link.download = "drawing.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** @param {string} message empty to hide the last one */
function showNotice(message) {
  element("notice").hidden = !message;
  element("notice").textContent = message;
}

/** Let screen readers read a message. @param {string} message */
function announce(message) {
  element("live").textContent = message;
}

function repaint() {
  sheet.show();
  showLayers();
}

function listen() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const { dataset } = document.documentElement;
  const file = /** @type {HTMLInputElement} */ (element("file"));
  /** @type {Record<string, () => void>} */
  const actions = {
    undo: () => sheet.move(-1),
    redo: () => sheet.move(1),
    clear: () => sheet.clear(),
    save: download,
    open: () => file.click(),
    explain,
    theme: () => {
      dataset.theme = (dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark" ? "light" : "dark";
      repaint();
    },
  };
  for (const [id, action] of Object.entries(actions)) element(id).addEventListener("click", action);
  dark.addEventListener("change", repaint);
  file.addEventListener("change", () => {
    openPicture(file.files?.[0]);
    file.value = "";
  });
  window.addEventListener("keydown", (event) => {
    const key = event.ctrlKey || event.metaKey ? event.key.toLowerCase() : "";
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    sheet.move(key === "y" || event.shiftKey ? 1 : -1);
  });
  window.addEventListener("paste", (event) => openPicture(event.clipboardData?.files[0]));
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  window.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    openPicture(event.dataTransfer?.files[0]);
  });
  new ResizeObserver(() => sheet.show()).observe(sheet.canvas);
}

async function start() {
  const [channels, height, width] = imageShape;
  const parameters = (model.arrays ?? []).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  element("input-size").textContent = `Input\n${width} × ${height} ${channels === 1 ? "grey" : "colour"} pixels`;
  const about = Number(parameters.toPrecision(3)).toLocaleString("en");
  element("facts").textContent = `Model: ${model.description.source}${parameters ? `, ${about} parameters` : ""}`;
  if (model.server) element("explain").hidden = true;
  if (model.description.collects) showCorrections(classes, () => sheet.file(), showNotice);
  if (noun !== "digit") {
    element("title").textContent = noun === "symbol" ? "Draw a symbol" : "Draw or open a picture";
    element("introduction").textContent = `A small neural network recognises ${classes.length} classes while you draw.`;
  }
  listen();
  drawWithPointer(sheet);
  drawWithKeys(sheet, element("cursor"), announce);
  try {
    await ask({ kind: "load", model });
    sheet.update();
  } catch (/** @type {any} */ error) {
    showNotice(error.message);
  }
}

start();
