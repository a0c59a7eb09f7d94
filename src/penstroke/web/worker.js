"use strict";
// Answers the questions of the page, so that drawing is never interrupted by computing.

/**
 * Answer the messages of a scope: of a worker as `self`, or of an object in the page where workers are not available.
 * `types.d.ts` describes the messages.
 *
 * @param {WorkerScope} scope
 */
function startWorker(scope) {
  /** Upper bound of the threshold among several symbols: most marks near digits are digits. */
  const THRESHOLD_AMONG_SYMBOLS = 0.3;
  /** Side of the squares that are covered, the distance between them, and how many are computed at once. */
  const [PATCH, STRIDE, BATCH] = [5, 2, 36];

  const drawing = createDrawing();
  const fitting = createFitting();
  /** @type {Promise<{runtime: Runtime, model: Model["description"]}>} */
  let loading = Promise.reject(new Error("The model is not loaded."));
  loading.catch(() => {}); // It is reported when a question needs the model.

  scope.onmessage = async ({ data }) => {
    const start = performance.now();
    /** @type {Answer} */
    let answer;
    try {
      answer = await answerTo(data);
    } catch (error) {
      answer = { kind: "error", message: error instanceof Error ? error.message : String(error) };
    }
    scope.postMessage({ id: data.id, milliseconds: performance.now() - start, ...answer });
  };

  /** @param {Question} question @returns {Promise<Answer>} */
  async function answerTo(question) {
    if (question.kind === "load") loading = load(question.model);
    const { runtime, model } = await loading;
    switch (question.kind) {
      case "load":
        return { kind: "loaded" };
      case "read": {
        const { symbols, reason } = find(question, model);
        return { kind: "read", symbols: classify(symbols, runtime, model), trace: null, reason };
      }
      case "fit": {
        const { colours: values, width, height } = question;
        const image = fitting.fit({ values, width, height }, model.image_shape, model.preprocessing);
        const symbol = { image, box: { x: 0, y: 0, width, height } };
        return { kind: "read", symbols: classify([symbol], runtime, model), trace: null, reason: "" };
      }
      case "classify": {
        const [, height, width] = model.image_shape;
        const symbol = { image: question.image, box: { x: 0, y: 0, width, height } };
        const trace = question.trace ? runtime.trace(question.image) : null;
        return { kind: "read", symbols: classify([symbol], runtime, model), trace, reason: "" };
      }
      case "occlusion":
        return { kind: "occlusion", ...occlusion(question.image, runtime, model) };
    }
  }

  /** @param {Model} model */
  async function load(model) {
    const runtime = await createRuntime().load(model);
    const blank = new Uint8Array(model.description.image_shape.reduce((a, b) => a * b));
    // Code runs slowly until the browser has compiled it.
    for (let i = 0; i < 3; i++) runtime.run(blank, 1);
    return { runtime, model: model.description };
  }

  /**
   * Return the symbols in a picture, with images of the model's shape.
   *
   * @param {{grey: Uint8Array, width: number, height: number}} picture
   * @param {Model["description"]} model
   */
  function find({ grey, width, height }, { image_shape: [channels, rows, columns] }) {
    const size = Math.min(rows, columns);
    const { symbols, reason } = drawing.split(grey, width, height, size);
    const [top, left] = [(rows - size) >> 1, (columns - size) >> 1];
    for (const symbol of symbols) {
      const image = new Uint8Array(channels * rows * columns);
      for (let row = 0; row < channels * size; row++) {
        const y = Math.floor(row / size) * rows + top + (row % size);
        const from = (row % size) * size;
        image.set(symbol.image.subarray(from, from + size), y * columns + left);
      }
      symbol.image = image;
    }
    return { symbols, reason };
  }

  /**
   * @param {FoundSymbol[]} symbols
   * @param {Runtime} runtime
   * @param {Model["description"]} model
   * @returns {Reading[]}
   */
  function classify(symbols, runtime, { classes, calibration }) {
    const ownThreshold = calibration?.threshold ?? 0;
    const threshold = symbols.length > 1 ? Math.min(ownThreshold, THRESHOLD_AMONG_SYMBOLS) : ownThreshold;
    return symbols.map((symbol) => {
      const probabilities = Array.from(runtime.run(symbol.image, 1), Math.exp);
      const probability = Math.max(...probabilities);
      const label = classes[probabilities.indexOf(probability)];
      return { ...symbol, probabilities, label, probability, abstained: probability < threshold };
    });
  }

  /**
   * Return by how much the probability of the predicted class decreases when a square of the image is covered.
   * (Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2014.)
   *
   * @param {Uint8Array} image
   * @param {Runtime} runtime
   * @param {Model["description"]} model
   * @returns {{side: number, values: Float32Array}} `side` squares in a row, row by row
   */
  function occlusion(image, runtime, { image_shape: [channels, height, width], classes }) {
    const patch = Math.min(PATCH, height, width);
    const [rows, side] = [height, width].map((length) => Math.floor((length - patch) / STRIDE) + 1);
    const logProbs = runtime.run(image, 1);
    const predicted = logProbs.indexOf(Math.max(...logProbs));
    const values = new Float32Array(rows * side);
    for (let first = 0; first < values.length; first += BATCH) {
      const count = Math.min(BATCH, values.length - first);
      const images = new Uint8Array(count * image.length);
      for (let i = 0; i < count; i++) {
        images.set(image, i * image.length);
        const [top, left] = [Math.floor((first + i) / side) * STRIDE, ((first + i) % side) * STRIDE];
        for (let y = 0; y < channels * patch; y++) {
          const row = i * channels * height + Math.floor(y / patch) * height + top + (y % patch);
          images.fill(0, row * width + left, row * width + left + patch);
        }
      }
      const covered = runtime.run(images, count);
      for (let i = 0; i < count; i++) {
        values[first + i] = Math.exp(logProbs[predicted]) - Math.exp(covered[i * classes.length + predicted]);
      }
    }
    return { side, values };
  }
}
