"use strict";
// Finds symbols in a drawing, or in a scan of plain paper, and makes images in the style of MNIST of them: the package
// `penstroke.pictures` without what only photographs need.

/** Return the functions. They use nothing outside of this function, so that its source can be sent to a worker. */
function createDrawing() {
  /**
   * @typedef {{values: Float32Array, width: number, height: number}} Plane
   *   One value for each pixel: a grey value 0..255, the level of ink 0..1, or 0 and 1 in a mask.
   * @typedef {{label: number, box: Box, mass: number, outline: number[]}} Stroke
   *   A connected region of ink, its sum of levels, and the indices of its outermost pixels.
   * @typedef {{level: Plane, labels: Plane, strokes: Stroke[], penWidth: number, scale: number}} Ink
   *   The ink of a picture, reduced by `scale`. `labels` has the number of each pixel's stroke, or 0.
   */

  /** Larger pictures, and strokes that are wider, are reduced to these pixels. */
  const [WORK_SIDE, WORK_PEN] = [1000, 8];
  /** Narrower and wider strokes, in pixels of 28 x 28, get the other width. */
  const [MIN_STROKE, NARROW, MAX_STROKE, WIDE] = [1.15, 1.8, 6.5, 5.5];
  /** Strokes get that width at this resolution relative to the image. */
  const OVERSAMPLING = 4;

  /** The picture has no symbol; the message says why. */
  class Empty extends Error {}

  /**
   * Return the one symbol in a picture, or the reason why there is none.
   *
   * @param {Uint8Array} grey dark ink on bright paper, or the reverse
   * @param {number} width
   * @param {number} height
   * @param {number} size the side of the symbol's image
   * @returns {FoundSymbol | {reason: string}}
   */
  function prepare(grey, width, height, size) {
    const { symbols, reason } = find(grey, width, height, size, (ink) => [mainSymbol(ink)]);
    return symbols[0] ?? { reason };
  }

  /**
   * Return all symbols in a picture, by row and from left to right, or the reason why there are none. A single symbol
   * has the image that `prepare` returns.
   *
   * @param {Uint8Array} grey
   * @param {number} width
   * @param {number} height
   * @param {number} size
   */
  function split(grey, width, height, size) {
    return find(grey, width, height, size, (ink) => {
      const symbols = allSymbols(ink);
      return symbols.length > 1 ? symbols : [mainSymbol(ink)];
    });
  }

  /**
   * @param {Uint8Array} grey
   * @param {number} width
   * @param {number} height
   * @param {number} size
   * @param {(ink: Ink) => Stroke[][]} choose returns the strokes of each symbol
   * @returns {{symbols: FoundSymbol[], reason: string}}
   */
  function find(grey, width, height, size, choose) {
    try {
      const ink = findInk(grey, width, height);
      const symbols = choose(ink).map((strokes) => {
        return { image: imageOf(isolate(ink, strokes), size), box: scaled(boxOf(strokes), 1 / ink.scale) };
      });
      return { symbols, reason: "" };
    } catch (error) {
      if (error instanceof Empty) return { symbols: [], reason: error.message };
      throw error;
    }
  }

  /**
   * @param {Uint8Array} picture
   * @param {number} width
   * @param {number} height
   * @returns {Ink}
   * @throws {Empty}
   */
  function findInk(picture, width, height) {
    const longer = Math.max(width, height);
    /** @type {Plane} */
    let grey = { values: new Float32Array(picture), width, height };
    if (longer > WORK_SIDE) grey = mapped(resize(grey, WORK_SIDE / longer), round);
    const { paper, noise, sign, limit } = findPaper(new Uint8Array(grey.values), grey.width, grey.height);
    let difference = mapped(grey, (value) => sign * (value - paper));
    const penWidth = strokeWidth(mapped(difference, (value) => (value > limit ? 1 : 0)));
    if (penWidth > WORK_PEN) difference = resize(difference, WORK_PEN / penWidth);
    // Without noise, the highest values are the pen's, and none is an outlier.
    const strength = percentile(difference.values.filter((value) => value > limit), noise > 0.5 ? 75 : 98);
    if (!(noise < 0.12 * strength)) throw new Empty("no stroke stands out from the grain of the paper");
    const floor = Math.min(2 * noise, 0.15 * strength);
    const levelOf = (/** @type {number} */ value) => clamp((value - floor) / (strength - floor), 0, 1);
    const level = mapped(difference, levelOf);
    const faint = levelOf(Math.max(0.25 * strength, 3 * noise));
    const found = findStrokes(level, faint, levelOf(Math.max(0.5 * strength, 4 * noise)));
    const scale = Math.max(level.width, level.height) / longer;
    return { level, ...found, penWidth: Math.min(penWidth, WORK_PEN), scale };
  }

  /**
   * Return the paper's grey value, the standard deviation of its grain, whether ink is brighter (1) or darker (-1), and
   * the smallest difference of ink.
   *
   * @param {Uint8Array} grey
   * @param {number} width
   * @param {number} height
   * @throws {Empty}
   */
  function findPaper(grey, width, height) {
    const [counts, border, steps] = [new Int32Array(256), new Int32Array(256), new Int32Array(256)];
    for (let i = 0; i < grey.length; i++) counts[grey[i]]++;
    for (let x = 0; x < width; x++) {
      border[grey[x]]++;
      border[grey[grey.length - 1 - x]]++;
    }
    for (let y = 0; y < height; y++) {
      border[grey[y * width]]++;
      border[grey[y * width + width - 1]]++;
    }
    // The border counts as much as the rest, because wide strokes may cover more than half of a drawing.
    const shares = Array.from(counts, (count, value) => count / grey.length + border[value] / (2 * (width + height)));
    const onPaper = (/** @type {number} */ paper) =>
      counts.reduce((sum, count, value) => sum + (Math.abs(value - paper) < 16 ? count : 0), 0) / grey.length;
    // The border is not paper if it is a frame.
    const paper = [shares, [...counts]].map((list) => list.indexOf(Math.max(...list))).find((p) => onPaper(p) >= 0.18);
    if (paper === undefined) throw new Empty("it is neither a drawing nor a scan of plain paper");
    // The differences of pixels near each other do not depend on slow changes of the light. They are 0 in a drawing.
    for (let i = 3; i < grey.length; i++) {
      const step = Math.abs(grey[i] - grey[i - 3]);
      if (step < 32 && Math.abs(grey[i] - paper) < 32) steps[step]++;
    }
    const noise = (1.4826 / Math.SQRT2) * quantile(steps, 0.5);
    // Ink is what differs more from the paper in sum, the brighter or the darker pixels; not what differs a little.
    const most = Math.max(paper - counts.findIndex(Boolean), counts.findLastIndex(Boolean) - paper);
    const excess = counts.map((count, value) => (Math.abs(value - paper) > most / 3 ? count * (value - paper) : 0));
    const sign = excess.reduce((sum, value) => sum + value, 0) > 0 ? 1 : -1;
    const differences = counts.map((_, value) => counts[paper + sign * value] ?? 0);
    differences.fill(0, 0, Math.ceil(Math.max(6, 4 * noise)));
    const limit = 0.45 * quantile(differences, 0.95);
    if (!differences.some(Boolean)) throw new Empty("it has one uniform colour");
    return { paper, noise, sign, limit };
  }

  /**
   * Return the connected regions of the levels above `faint` that have a level above `sure`. Pixels that touch at a
   * corner are connected.
   *
   * @param {Plane} level
   * @param {number} faint
   * @param {number} sure
   */
  function findStrokes({ values, width, height }, faint, sure) {
    const labels = new Float32Array(values.length);
    /** @type {Stroke[]} */
    const strokes = [];
    for (let first = 0; first < values.length; first++) {
      if (values[first] <= sure || labels[first]) continue;
      const label = strokes.length + 1;
      labels[first] = label;
      const pixels = [first];
      /** @type {number[]} */
      const outline = [];
      let [left, right, top, bottom, mass] = [width, 0, height, 0, 0];
      for (let k = 0; k < pixels.length; k++) {
        const i = pixels[k];
        const [x, y] = [i % width, Math.floor(i / width)];
        [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
        mass += values[i];
        let inside = true;
        for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row++) {
          for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column++) {
            const near = row * width + column;
            if (values[near] <= faint) inside = false;
            else if (!labels[near]) {
              labels[near] = label;
              pixels.push(near);
            }
          }
        }
        if (!inside) outline.push(i);
      }
      const box = { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
      strokes.push({ label, box, mass, outline });
    }
    return { labels: { values: labels, width, height }, strokes };
  }

  /**
   * Return the strokes of a picture of one symbol: the main one, and those that are near it and not too small.
   *
   * @param {Ink} ink
   * @throws {Empty}
   */
  function mainSymbol({ level, strokes, penWidth }) {
    const weights = strokes.map(({ box, mass }) => {
      const [x, y] = [(2 * box.x + box.width) / level.width - 1, (2 * box.y + box.height) / level.height - 1];
      return mass * (isFrame(box, level) ? 0.03 : 1) * (1.2 - 0.5 * Math.min(Math.hypot(x, y), 1));
    });
    const main = strokes[weights.indexOf(Math.max(...weights))];
    if (main.mass < 0.5 * penWidth ** 2) throw new Empty("there are only specks");
    const minMass = Math.max(0.02 * main.mass, 0.4 * penWidth ** 2);
    const others = strokes.filter((stroke) => stroke !== main && stroke.mass >= minMass);
    // The nearest first, so that the symbol grows from its middle.
    others.sort((a, b) => boxDistance(a.box, main.box) - boxDistance(b.box, main.box));
    const symbol = [main];
    for (const stroke of others) {
      const box = boxOf(symbol);
      if (boxDistance(stroke.box, box) <= 0.3 * Math.max(box.width, box.height)) symbol.push(stroke);
    }
    if (massOf(symbol) < 0.06 * massOf(strokes)) {
      throw new Empty("there is a pattern, or many marks of which none stands out");
    }
    return symbol;
  }

  /**
   * Return the strokes of each symbol in a picture, by row and from left to right.
   *
   * @param {Ink} ink
   */
  function allSymbols({ level, strokes: all, penWidth }) {
    const minMass = Math.max(0.4 * penWidth ** 2, 0.02 * Math.max(...all.map(({ mass }) => mass)));
    const strokes = all.filter(({ mass, box }) => mass >= minMass && !isFrame(box, level));
    const height = usualHeight(strokes);
    const symbols = strokes.map((stroke) => [stroke]); // the symbol of each stroke
    for (const { i, j, gap } of nearPairs(strokes, 0.4 * height, level.width)) {
      if (symbols[i] === symbols[j] || !areOneSymbol(symbols[i], symbols[j], gap, height, penWidth)) continue;
      const joined = [...symbols[i], ...symbols[j]];
      for (const stroke of joined) symbols[strokes.indexOf(stroke)] = joined;
    }
    return inReadingOrder([...new Set(symbols)].filter((symbol) => boxOf(symbol).height >= 0.45 * height));
  }

  /**
   * Return the pairs of strokes with fewer pixels between them than a maximum, the nearest first.
   *
   * @param {Stroke[]} strokes
   * @param {number} max
   * @param {number} width of the picture
   */
  function nearPairs(strokes, max, width) {
    /** @type {{i: number, j: number, gap: number}[]} */
    const pairs = [];
    strokes.forEach((a, i) => {
      for (let j = i + 1; j < strokes.length; j++) {
        if (boxDistance(a.box, strokes[j].box) > max) continue;
        let nearest = Infinity;
        for (const p of a.outline) {
          for (const q of strokes[j].outline) {
            const [x, y] = [(p % width) - (q % width), Math.floor(p / width) - Math.floor(q / width)];
            nearest = Math.min(nearest, x * x + y * y);
          }
        }
        pairs.push({ i, j, gap: Math.sqrt(nearest) });
      }
    });
    return pairs.sort((a, b) => a.gap - b.gap);
  }

  /**
   * Return whether strokes near each other are one symbol.
   *
   * @param {Stroke[]} a
   * @param {Stroke[]} b
   * @param {number} gap the pixels between them
   * @param {number} height the usual height of a symbol
   * @param {number} penWidth
   */
  function areOneSymbol(a, b, gap, height, penWidth) {
    const [first, second, both] = [boxOf(a), boxOf(b), boxOf([...a, ...b])];
    const [across, down] = gapsOf(first, second);
    const overlap = -across / Math.min(first.width, second.width);
    const lower = Math.min(first.height, second.height);
    if (overlap >= 0.5 && gap <= 1.5 * penWidth) return true; // an interrupted stroke
    if (both.height > 1.5 * height || both.width > 1.3 * height) return false;
    if (overlap >= 0.5 && -down < 0.3 * lower) return gap <= 0.4 * height; // the top bar of a 5
    if (lower < 0.5 * height) return gap <= 0.2 * height; // a part of a stroke
    return overlap > 0.3 && gap <= 0.15 * height; // the two strokes of a 4
  }

  /**
   * Return symbols by row and from left to right. A row has the symbols whose middles are near that of its first one.
   *
   * @param {Stroke[][]} symbols
   */
  function inReadingOrder(symbols) {
    const middle = (/** @type {Stroke[]} */ symbol) => boxOf(symbol).y + boxOf(symbol).height / 2;
    /** @type {Stroke[][][]} */
    const rows = [];
    for (const symbol of symbols.sort((a, b) => middle(a) - middle(b))) {
      const row = rows.find(([first]) => middle(symbol) - middle(first) < 0.5 * boxOf(first).height);
      if (row) row.push(symbol);
      else rows.push([symbol]);
    }
    return rows.flatMap((row) => row.sort((a, b) => boxOf(a).x - boxOf(b).x));
  }

  /** Return the median height of strokes, weighted by their mass. @param {Stroke[]} strokes */
  function usualHeight(strokes) {
    let rest = massOf(strokes) / 2;
    for (const { box, mass } of [...strokes].sort((a, b) => a.box.height - b.box.height)) {
      rest -= mass;
      if (rest <= 0) return box.height;
    }
    return 0;
  }

  /** Return whether a box extends along most of the border of a picture. @param {Box} box @param {Plane} plane */
  function isFrame(box, plane) {
    const touches = box.x <= 0 || box.y <= 0 || box.x + box.width >= plane.width || box.y + box.height >= plane.height;
    return touches && Math.max(box.width / plane.width, box.height / plane.height) > 0.8;
  }

  /** @param {Stroke[]} strokes */
  const massOf = (strokes) => strokes.reduce((sum, { mass }) => sum + mass, 0);

  /** @param {Stroke[]} strokes @returns {Box} */
  function boxOf(strokes) {
    const boxes = strokes.map(({ box }) => box);
    const [x, y] = [Math.min(...boxes.map((box) => box.x)), Math.min(...boxes.map((box) => box.y))];
    const right = Math.max(...boxes.map((box) => box.x + box.width));
    const bottom = Math.max(...boxes.map((box) => box.y + box.height));
    return { x, y, width: right - x, height: bottom - y };
  }

  /** Return the pixels between two boxes across and down, negative where they overlap. @param {Box} a @param {Box} b */
  const gapsOf = (a, b) => [
    Math.max(a.x, b.x) - Math.min(a.x + a.width, b.x + b.width),
    Math.max(a.y, b.y) - Math.min(a.y + a.height, b.y + b.height),
  ];

  /** @param {Box} a @param {Box} b */
  const boxDistance = (a, b) => Math.hypot(...gapsOf(a, b).map((gap) => Math.max(gap, 0)));

  /** @param {Box} box @param {number} factor @returns {Box} */
  function scaled({ x, y, width, height }, factor) {
    const [left, top, right, bottom] = [x, y, x + width, y + height].map((at) => Math.round(at * factor));
    return { x: left, y: top, width: right - left, height: bottom - top };
  }

  /** @param {Box} box @param {number} margin @returns {Box} */
  const grown = ({ x, y, width, height }, margin) => {
    return { x: x - margin, y: y - margin, width: width + 2 * margin, height: height + 2 * margin };
  };

  /**
   * Return the levels of some strokes and of their soft edges without a margin, and 0 elsewhere.
   *
   * @param {Ink} ink
   * @param {Stroke[]} strokes
   */
  function isolate(ink, strokes) {
    const reach = Math.max(2, round(0.4 * ink.penWidth));
    const area = grown(boxOf(strokes), reach);
    const [level, { values: labels }] = [crop(ink.level, area), crop(ink.labels, area)];
    const own = new Set(strokes.map(({ label }) => label));
    const result = { ...level, values: new Float32Array(labels.length) };
    labels.forEach((label, i) => {
      if (!own.has(label)) return;
      for (let y = -reach; y <= reach; y++) {
        for (let x = -reach; x <= reach; x++) {
          const near = i + y * level.width + x;
          // The ink of other strokes is excluded, however close it is.
          if (!labels[near] || own.has(labels[near])) result.values[near] = level.values[near];
        }
      }
    });
    return crop(result, boxAbove(result, 0.06));
  }

  /**
   * Return the image of a symbol: strokes of a usual width, the longer side 20 of 28 pixels, the centre of mass in the
   * middle.
   *
   * @param {Plane} level of the symbol without a margin
   * @param {number} size
   */
  function imageOf(level, size) {
    const side = round((size * 20) / 28);
    let fine = fit(level, side * OVERSAMPLING);
    const scale = (OVERSAMPLING * side) / 20;
    const width = strokeWidth(mapped(fine, (value) => (value > 0.5 ? 1 : 0))) / scale;
    const narrow = width < MIN_STROKE;
    if (narrow || width > MAX_STROKE) {
      const radius = Math.max(1, round((Math.abs((narrow ? NARROW : WIDE) - width) / 2) * scale));
      if (narrow) fine = crop(fine, grown({ x: 0, y: 0, width: fine.width, height: fine.height }, radius));
      fine = extremeInDisk(fine, radius, narrow);
    } else if (Math.abs(Math.max(level.width, level.height) - side) <= 1) {
      return centred(level, size); // The size is right; resampling would only blur the symbol.
    }
    return centred(fit(fine, side), size);
  }

  /** Return levels scaled so that the longer side is `side`. @param {Plane} level @param {number} side */
  function fit(level, side) {
    return mapped(resize(level, side / Math.max(level.width, level.height)), (value) => clamp(value, 0, 1));
  }

  /**
   * Return a square image with the centre of mass in its middle, to a whole pixel.
   *
   * @param {Plane} level
   * @param {number} size
   */
  function centred({ values, width, height }, size) {
    let [mass, massX, massY] = [1e-6, 0, 0];
    values.forEach((value, i) => {
      mass += value;
      massX += value * (i % width);
      massY += value * Math.floor(i / width);
    });
    const left = clamp((size >> 1) - Math.floor(massX / mass + 0.5), 0, size - width);
    const top = clamp((size >> 1) - Math.floor(massY / mass + 0.5), 0, size - height);
    const image = new Uint8Array(size * size);
    values.forEach((value, i) => {
      image[(top + Math.floor(i / width)) * size + left + (i % width)] = round(255 * value);
    });
    return image;
  }

  /**
   * Return the highest or the lowest level in a disk around each pixel, which widens or narrows strokes.
   *
   * @param {Plane} level
   * @param {number} radius
   * @param {boolean} highest
   * @returns {Plane}
   */
  function extremeInDisk({ values, width, height }, radius, highest) {
    const result = values.map((own, i) => {
      const [column, row] = [i % width, Math.floor(i / width)];
      let extreme = own;
      for (let y = Math.max(row - radius, 0); y <= Math.min(row + radius, height - 1); y++) {
        const half = Math.floor(Math.sqrt(radius * radius + 1 - (y - row) ** 2));
        const end = Math.min(column + half, width - 1);
        for (let x = Math.max(column - half, 0); x <= end; x++) {
          const other = values[y * width + x];
          if (highest ? other > extreme : other < extreme) extreme = other;
        }
      }
      return extreme;
    });
    return { values: result, width, height };
  }

  /**
   * Return the median width of the strokes of a mask, measured on their centre lines.
   *
   * @param {Plane} mask
   */
  function strokeWidth(mask) {
    const box = boxAbove(mask, 0);
    if (box.width <= 0) return 1;
    const framed = crop(mask, grown(box, 1));
    const distances = squaredDistances(framed);
    const above = framed.width;
    const neighbours = [-above - 1, -above, -above + 1, -1, 1, above - 1, above, above + 1];
    const centre = distances.filter((d, i) => d > 0 && neighbours.every((step) => d >= distances[i + step]));
    return Math.max(1, 2 * percentile(centre.map(Math.sqrt), 50) - 0.5);
  }

  /**
   * Return the squared distance of each pixel in a mask to the nearest pixel outside.
   *
   * @param {Plane} mask with a border of zeros
   */
  function squaredDistances({ values, width }) {
    const columns = values.map((inside) => (inside ? Infinity : 0));
    // In each column: one more than the pixel above, or below.
    for (let i = width; i < columns.length; i++) columns[i] = Math.min(columns[i], columns[i - width] + 1);
    for (let i = columns.length - width - 1; i >= 0; i--) columns[i] = Math.min(columns[i], columns[i + width] + 1);
    // In each row: the nearest by the theorem of Pythagoras.
    return columns.map((column, i) => {
      let nearest = column * column;
      for (let step = 1; step * step < nearest; step++) {
        const beside = Math.min(columns[i - step], columns[i + step]);
        nearest = Math.min(nearest, step * step + beside * beside);
      }
      return nearest;
    });
  }

  /**
   * Return a plane scaled by a factor, as Python's Pillow computes it: averages of areas if it becomes smaller, cubic
   * interpolation if it becomes larger.
   *
   * @param {Plane} plane
   * @param {number} factor
   */
  function resize(plane, factor) {
    const [width, height] = [plane.width, plane.height].map((side) => Math.max(1, round(side * factor)));
    const smooth = width > plane.width;
    return resizeAndTurn(resizeAndTurn(plane, width, smooth), height, smooth);
  }

  /**
   * Return a plane with another width, and with rows and columns exchanged.
   *
   * @param {Plane} plane
   * @param {number} width
   * @param {boolean} smooth
   * @returns {Plane}
   */
  function resizeAndTurn({ values, width: oldWidth, height }, width, smooth) {
    const scale = oldWidth / width;
    const spread = Math.max(scale, 1);
    const reach = (smooth ? 2 : 0.5) * spread;
    const columns = Array.from({ length: width }, (_, x) => {
      const middle = (x + 0.5) * scale;
      const first = Math.max(0, Math.floor(middle - reach + 0.5));
      const end = Math.min(oldWidth, Math.floor(middle + reach + 0.5));
      const weights = new Float64Array(end - first).map((_, k) => weight((first + k - middle + 0.5) / spread, smooth));
      return { first, weights, total: weights.reduce((a, b) => a + b) };
    });
    const result = new Float32Array(width * height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const { first, weights, total } = columns[x];
        const from = y * oldWidth + first;
        let sum = 0;
        for (let k = 0; k < weights.length; k++) sum += weights[k] * values[from + k];
        result[x * height + y] = sum / total;
      }
    }
    return { values: result, width: height, height: width };
  }

  /**
   * Return the weight of a pixel: 1 inside of an area, or cubic (Keys, 1981, with a = -1/2).
   *
   * @param {number} distance
   * @param {boolean} smooth
   */
  function weight(distance, smooth) {
    if (!smooth) return distance > -0.5 && distance <= 0.5 ? 1 : 0;
    const d = Math.abs(distance);
    if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
    return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
  }

  /**
   * Return a part of a plane, with zeros where it reaches beyond the plane.
   *
   * @param {Plane} plane
   * @param {Box} box
   * @returns {Plane}
   */
  function crop(plane, { x, y, width, height }) {
    const values = new Float32Array(width * height);
    const [left, right] = [Math.max(x, 0), Math.min(x + width, plane.width)];
    for (let row = Math.max(y, 0); row < Math.min(y + height, plane.height); row++) {
      const from = plane.values.subarray(row * plane.width + left, row * plane.width + right);
      values.set(from, (row - y) * width + left - x);
    }
    return { values, width, height };
  }

  /** Return the box of the values above a limit. @param {Plane} plane @param {number} limit @returns {Box} */
  function boxAbove({ values, width, height }, limit) {
    let [left, right, top, bottom] = [width, -1, height, -1];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        if (values[y * width + x] <= limit) continue;
        [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), y];
      }
    }
    return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
  }

  /** @param {Plane} plane @param {(value: number) => number} change @returns {Plane} */
  function mapped({ values, width, height }, change) {
    const result = new Float32Array(values.length); // faster than values.map
    for (let i = 0; i < values.length; i++) result[i] = change(values[i]);
    return { values: result, width, height };
  }

  /** @param {number} value @param {number} low @param {number} high */
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  /** Round as Python does: halves to even numbers. @param {number} value */
  const round = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

  /** @param {Float32Array} values @param {number} percent */
  function percentile(values, percent) {
    const sorted = values.slice().sort();
    const position = ((sorted.length - 1) * percent) / 100;
    const below = sorted[Math.floor(position)];
    return below + (sorted[Math.ceil(position)] - below) * (position % 1);
  }

  /**
   * Return the value up to which a share of all values are.
   *
   * @param {Int32Array} counts how often each value 0, 1, 2, ... occurs
   * @param {number} share
   */
  function quantile(counts, share) {
    let rest = share * counts.reduce((sum, count) => sum + count, 0);
    let value = 0;
    while (rest > counts[value]) {
      rest -= counts[value];
      value++;
    }
    return value;
  }

  return { prepare, split };
}
