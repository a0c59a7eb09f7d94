"use strict";
// Fits pictures of things into the image of a model: `penstroke.pictures.letterbox`, with the arithmetic of Pillow's
// Lanczos filter, so that the page and `penstroke predict` get the same image.

/** Return the functions. They use nothing outside of this function, so that its source can be sent to a worker. */
function createFitting() {
  /**
   * @typedef {{values: Uint8Array | Uint8ClampedArray, width: number, height: number}} Colours
   *   Red, green, blue and opacity of each pixel, row by row.
   */

  /** Weights are whole numbers of this unit, as in Pillow. */
  const UNIT = 2 ** 22;
  /** Reach of the filter, in pixels of the smaller of both pictures. */
  const REACH = 3;

  /**
   * Return a picture as the image of a model.
   *
   * @param {Colours} picture opaque
   * @param {number[]} shape channels, height and width of the image
   * @param {string} preprocessing `letterbox` or `crop`
   */
  function fit(picture, [channels, height, width], preprocessing) {
    const fitted = (preprocessing === "crop" ? crop : letterbox)(picture, width, height);
    const size = width * height;
    const image = new Uint8Array(channels * size);
    for (let i = 0; i < size; i++) {
      const [red, green, blue] = fitted.values.subarray(4 * i, 4 * i + 3);
      if (channels === 1) image[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
      else [red, green, blue].forEach((value, channel) => (image[channel * size + i] = value));
    }
    return image;
  }

  /**
   * Return a whole picture in an image, with bars in the median colour of its border.
   *
   * @param {Colours} picture
   * @param {number} width
   * @param {number} height
   * @returns {Colours}
   */
  function letterbox(picture, width, height) {
    if (picture.width === width && picture.height === height) return picture;
    let [across, down] = [width, height];
    if (picture.width / picture.height > width / height) {
      down = Math.max(1, round((picture.height / picture.width) * width));
    } else {
      across = Math.max(1, round((picture.width / picture.height) * height));
    }
    const resized = resize(picture, across, down);
    const [left, top] = [round((width - across) / 2), round((height - down) / 2)];
    const colour = borderColour(picture);
    const values = new Uint8Array(4 * width * height).map((_, i) => colour[i % 4]);
    for (let y = 0; y < down; y++) {
      values.set(resized.values.subarray(4 * y * across, 4 * (y + 1) * across), 4 * ((top + y) * width + left));
    }
    return { values, width, height };
  }

  /**
   * Return the centre of a picture, as large as possible, resized to an image.
   *
   * @param {Colours} picture
   * @param {number} width
   * @param {number} height
   * @returns {Colours}
   */
  function crop(picture, width, height) {
    let [across, down] = [picture.width, picture.height];
    if (across / down > width / height) across = Math.max(1, round((down / height) * width));
    else down = Math.max(1, round((across / width) * height));
    const [left, top] = [(picture.width - across) >> 1, (picture.height - down) >> 1];
    const values = new Uint8Array(4 * across * down);
    for (let y = 0; y < down; y++) {
      const from = 4 * ((top + y) * picture.width + left);
      values.set(picture.values.subarray(from, from + 4 * across), 4 * y * across);
    }
    return resize({ values, width: across, height: down }, width, height);
  }

  /** Round as Python does: halves to the even number. @param {number} value at least 0 */
  function round(value) {
    const rounded = Math.round(value);
    return value % 1 === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
  }

  /**
   * Return the median of each channel along the four sides, whose corners count twice.
   *
   * @param {Colours} picture
   */
  function borderColour({ values, width, height }) {
    return [0, 1, 2, 3].map((channel) => {
      const border = [];
      for (let x = 0; x < width; x++) border.push(x, (height - 1) * width + x);
      for (let y = 0; y < height; y++) border.push(y * width, y * width + width - 1);
      const levels = Uint8Array.from(border, (pixel) => values[4 * pixel + channel]).sort();
      return (levels[levels.length / 2 - 1] + levels[levels.length / 2]) >> 1;
    });
  }

  /**
   * Return a resized picture: first the rows, then the columns, each rounded to whole levels.
   *
   * @param {Colours} picture
   * @param {number} width
   * @param {number} height
   * @returns {Colours}
   */
  function resize(picture, width, height) {
    let { values } = picture;
    if (picture.width !== width) {
      const narrow = new Uint8Array(4 * width * picture.height);
      weightsOf(picture.width, width).forEach((weights, x) => {
        for (let y = 0; y < picture.height; y++) {
          combine(values, 4 * (y * picture.width + weights.first), 4, weights.shares, narrow, 4 * (y * width + x));
        }
      });
      values = narrow;
    }
    if (picture.height !== height) {
      const small = new Uint8Array(4 * width * height);
      weightsOf(picture.height, height).forEach((weights, y) => {
        for (let x = 0; x < width; x++) {
          combine(values, 4 * (weights.first * width + x), 4 * width, weights.shares, small, 4 * (y * width + x));
        }
      });
      values = small;
    }
    return { values, width, height };
  }

  /**
   * Store the weighted sum of pixels.
   *
   * @param {Uint8Array | Uint8ClampedArray} values
   * @param {number} from place of the first pixel
   * @param {number} step from one pixel to the next
   * @param {Int32Array} shares weight of each pixel
   * @param {Uint8Array} out
   * @param {number} at
   */
  function combine(values, from, step, shares, out, at) {
    let [red, green, blue, opacity] = Array(4).fill(UNIT / 2);
    for (let i = 0; i < shares.length; i++, from += step) {
      red += values[from] * shares[i];
      green += values[from + 1] * shares[i];
      blue += values[from + 2] * shares[i];
      opacity += values[from + 3] * shares[i];
    }
    out[at] = level(red);
    out[at + 1] = level(green);
    out[at + 2] = level(blue);
    out[at + 3] = level(opacity);
  }

  /** @param {number} sum */
  function level(sum) {
    return Math.min(Math.max(Math.floor(sum / UNIT), 0), 255);
  }

  /**
   * Return for each pixel after resizing the pixels before that it is made of, and their weights.
   *
   * @param {number} before
   * @param {number} after
   */
  function weightsOf(before, after) {
    const scale = before / after;
    const stretch = Math.max(scale, 1);
    const support = REACH * stretch;
    return Array.from({ length: after }, (_, index) => {
      const centre = (index + 0.5) * scale;
      const first = Math.max(Math.trunc(centre - support + 0.5), 0);
      const end = Math.min(Math.trunc(centre + support + 0.5), before);
      const lobes = Float64Array.from({ length: end - first }, (_, i) => lanczos((i + first - centre + 0.5) / stretch));
      const sum = lobes.reduce((total, lobe) => total + lobe, 0);
      const shares = Int32Array.from(lobes, (lobe) => Math.trunc((lobe / sum) * UNIT + (lobe < 0 ? -0.5 : 0.5)));
      return { first, shares };
    });
  }

  /** @param {number} x */
  function lanczos(x) {
    return x >= -REACH && x < REACH ? sinc(x) * sinc(x / REACH) : 0;
  }

  /** @param {number} x */
  function sinc(x) {
    return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
  }

  return { fit };
}
