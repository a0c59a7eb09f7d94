"use strict";
// Computes a model: a program whose steps are operators of ONNX, with ONNX's names and meaning.

/** Return the functions. They use nothing outside of this function, so that its source can be sent to a worker. */
function createRuntime() {
  /**
   * @callback Operator Returns a new tensor and leaves its inputs unchanged.
   * @param {Tensor[]} inputs
   * @param {Step["attributes"]} attributes
   * @returns {Tensor}
   */

  /** @type {Record<string, Operator>} */
  const OPERATORS = {
    Add: elementwise((a, b) => a + b),
    BatchNormalization: batchNormalization,
    Cast: ([input]) => input, // All tensors have float32 values.
    Concat: concat,
    Conv: conv,
    Div: elementwise((a, b) => a / b),
    Gemm: gemm,
    LogSoftmax: logSoftmax,
    MaxPool: maxPool,
    Mul: elementwise((a, b) => a * b),
    ReduceMean: reduceMean,
    Relu: ([{ shape, values }]) => ({ shape, values: values.map((value) => Math.max(value, 0)) }),
    Reshape: reshape,
    Slice: slice,
    Sub: elementwise((a, b) => a - b),
    Transpose: transpose,
    Unsqueeze: unsqueeze,
  };

  /**
   * Return a loaded model.
   *
   * @param {Model} model
   * @returns {Promise<Runtime>}
   * @throws {Error} An operator is not supported, or the weights are damaged.
   */
  async function load({ program, arrays, weights, description }) {
    for (const { op } of program.steps) {
      if (Object.hasOwn(OPERATORS, op)) continue;
      throw new Error(`The model uses the operator ${op}. Supported are ${Object.keys(OPERATORS).join(", ")}.`);
    }
    const constants = readArrays(arrays, await unpack(weights));
    const imageShape = description.image_shape;

    /** @param {Uint8Array} images @param {number} count @param {(step: Step, result: Tensor) => void} [onStep] */
    function compute(images, count, onStep) {
      if (images.length !== count * sizeOf(imageShape)) {
        throw new Error(`${count} images of ${imageShape.join("x")} do not have ${images.length} values.`);
      }
      const input = { shape: [count, ...imageShape], values: new Float32Array(images) };
      const tensors = new Map([...constants, [program.input, input]]);
      /** @param {string} name */
      const find = (name) => {
        const tensor = tensors.get(name);
        if (!tensor) throw new Error(`The model has no array ${name}.`);
        return tensor;
      };
      for (const step of program.steps) {
        const result = OPERATORS[step.op](step.inputs.map(find), step.attributes);
        tensors.set(step.output, result);
        onStep?.(step, result);
      }
      return find(program.output).values;
    }

    return {
      run: (images, count) => compute(images, count),
      trace(image) {
        /** @type {Activation[]} */
        const activations = [];
        compute(image, 1, ({ op, output }, result) => activations.push({ op, name: output, ...result }));
        return activations;
      },
    };
  }

  /**
   * Return the bytes of base64 of gzip.
   *
   * @param {string} weights
   */
  async function unpack(weights) {
    try {
      const characters = atob(weights);
      const packed = new Uint8Array(characters.length);
      for (let i = 0; i < packed.length; i++) packed[i] = characters.charCodeAt(i);
      const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
      return new Uint8Array(await new Response(stream).arrayBuffer());
    } catch (error) {
      throw new Error(`The weights of the model are damaged: ${error}`);
    }
  }

  /**
   * Return the constants of a model by name.
   *
   * @param {Model["arrays"]} arrays
   * @param {Uint8Array} bytes the high bytes of all float16 values, then their low bytes, then all float32 values
   */
  function readArrays(arrays, bytes) {
    const [halves, singles] = ["float16", "float32"].map((type) =>
      arrays.reduce((sum, { dtype, shape }) => sum + (dtype === type ? sizeOf(shape) : 0), 0),
    );
    if (bytes.length !== 2 * halves + 4 * singles) {
      throw new Error(`The weights of the model are damaged: they have ${bytes.length} bytes.`);
    }
    const view = new DataView(bytes.buffer);
    let [half, single] = [0, 2 * halves];
    /** @type {Map<string, Tensor>} */
    const tensors = new Map();
    for (const { name, shape, dtype } of arrays) {
      const values = new Float32Array(sizeOf(shape));
      for (let i = 0; i < values.length; i++) {
        if (dtype === "float16") {
          values[i] = fromHalf((bytes[half] << 8) | bytes[halves + half]);
          half++;
        } else {
          values[i] = view.getFloat32(single, true);
          single += 4;
        }
      }
      tensors.set(name, { shape, values });
    }
    return tensors;
  }

  /**
   * Return the value of a finite float16: a bit for the sign, 5 for the exponent, 10 for the fraction.
   *
   * @param {number} bits
   */
  function fromHalf(bits) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    return bits >> 15 ? -size : size;
  }

  /** @param {number[]} shape */
  function sizeOf(shape) {
    return shape.reduce((product, side) => product * side, 1);
  }

  /**
   * Multiply each row of `a` with each row of `b`, and add the bias of the row of `a`.
   *
   * A block of 4 x 2 products is summed at once: this reads each value fewer times, and is 3 times faster than single
   * products.
   *
   * @param {Float32Array} a `[aRows, length]`
   * @param {number} aRows
   * @param {Float32Array} b `[bRows, length]`
   * @param {number} bRows
   * @param {number} length
   * @param {Float32Array | undefined} bias `[aRows]`
   * @param {Float32Array} out The result for rows i and j is at `start + i * aStep + j * bStep`.
   * @param {number} start
   * @param {number} aStep
   * @param {number} bStep
   */
  function multiplyRows(a, aRows, b, bRows, length, bias, out, start, aStep, bStep) {
    for (let i0 = 0; i0 < aRows; i0 += 4) {
      // Beyond the last row, the last row is computed again.
      const i1 = Math.min(i0 + 1, aRows - 1);
      const i2 = Math.min(i0 + 2, aRows - 1);
      const i3 = Math.min(i0 + 3, aRows - 1);
      for (let j0 = 0; j0 < bRows; j0 += 2) {
        const j1 = Math.min(j0 + 1, bRows - 1);
        let [sum00, sum10, sum20, sum30, sum01, sum11, sum21, sum31] = [0, 0, 0, 0, 0, 0, 0, 0];
        for (let k = 0; k < length; k++) {
          const b0 = b[j0 * length + k];
          const b1 = b[j1 * length + k];
          const a0 = a[i0 * length + k];
          const a1 = a[i1 * length + k];
          const a2 = a[i2 * length + k];
          const a3 = a[i3 * length + k];
          sum00 += a0 * b0;
          sum10 += a1 * b0;
          sum20 += a2 * b0;
          sum30 += a3 * b0;
          sum01 += a0 * b1;
          sum11 += a1 * b1;
          sum21 += a2 * b1;
          sum31 += a3 * b1;
        }
        out[start + i0 * aStep + j0 * bStep] = sum00 + (bias ? bias[i0] : 0);
        out[start + i1 * aStep + j0 * bStep] = sum10 + (bias ? bias[i1] : 0);
        out[start + i2 * aStep + j0 * bStep] = sum20 + (bias ? bias[i2] : 0);
        out[start + i3 * aStep + j0 * bStep] = sum30 + (bias ? bias[i3] : 0);
        out[start + i0 * aStep + j1 * bStep] = sum01 + (bias ? bias[i0] : 0);
        out[start + i1 * aStep + j1 * bStep] = sum11 + (bias ? bias[i1] : 0);
        out[start + i2 * aStep + j1 * bStep] = sum21 + (bias ? bias[i2] : 0);
        out[start + i3 * aStep + j1 * bStep] = sum31 + (bias ? bias[i3] : 0);
      }
    }
  }

  /** @type {Operator} */
  function gemm([input, weight, bias], { transB }) {
    const [count, length] = input.shape;
    const { shape, values: rows } = transB ? weight : transpose([weight], { perm: [1, 0] });
    const values = new Float32Array(count * shape[0]);
    multiplyRows(rows, shape[0], input.values, count, length, bias?.values, values, 0, 1, shape[0]);
    return { shape: [count, shape[0]], values };
  }

  /** @type {Operator} */
  function conv([images, weight, bias], { strides, pads }) {
    const input = pad(images, pads, 0);
    const [outputs, channels, ...kernel] = weight.shape;
    const [rows, columns] = positionsOf(input, kernel, strides);
    const [count, positions, length] = [input.shape[0], rows * columns, channels * sizeOf(kernel)];
    const values = new Float32Array(count * outputs * positions);
    for (let n = 0; n < count; n++) {
      const start = n * outputs * positions;
      const windows = copyWindows(input, n, kernel, strides);
      multiplyRows(weight.values, outputs, windows, positions, length, bias?.values, values, start, positions, 1);
    }
    return { shape: [count, outputs, rows, columns], values };
  }

  /** @type {Operator} */
  function maxPool([images], { kernel_shape: kernel, strides, pads }) {
    const { shape, values: padded } = pad(images, pads, -Infinity);
    const [count, channels, height, width] = shape;
    // Each channel is pooled alone, as an image of one channel.
    const planes = { shape: [count * channels, 1, height, width], values: padded };
    const [rows, columns] = positionsOf(planes, kernel, strides);
    const [positions, size] = [rows * columns, sizeOf(kernel)];
    const values = new Float32Array(count * channels * positions).fill(-Infinity);
    for (let n = 0; n < count * channels; n++) {
      const windows = copyWindows(planes, n, kernel, strides);
      for (let i = 0; i < positions * size; i++) {
        const at = n * positions + Math.floor(i / size);
        if (windows[i] > values[at]) values[at] = windows[i];
      }
    }
    return { shape: [count, channels, rows, columns], values };
  }

  /**
   * Return images with a border.
   *
   * @param {Tensor} images `[n, c, h, w]`
   * @param {number[]} pads pixels at the top, left, bottom and right
   * @param {number} fill value of the border
   * @returns {Tensor}
   */
  function pad(images, [top, left, bottom, right], fill) {
    if (top + left + bottom + right === 0) return images;
    const [count, channels, height, width] = images.shape;
    const [paddedHeight, paddedWidth] = [top + height + bottom, left + width + right];
    const values = new Float32Array(count * channels * paddedHeight * paddedWidth).fill(fill);
    for (let row = 0; row < count * channels * height; row++) {
      const y = Math.floor(row / height) * paddedHeight + top + (row % height);
      values.set(images.values.subarray(row * width, (row + 1) * width), y * paddedWidth + left);
    }
    return { shape: [count, channels, paddedHeight, paddedWidth], values };
  }

  /**
   * Return how often a kernel fits into images, down and across.
   *
   * @param {Tensor} images `[n, c, h, w]`
   * @param {number[]} kernel
   * @param {number[]} strides
   */
  function positionsOf({ shape: [, , height, width] }, kernel, strides) {
    // "| 0" makes whole numbers of a kind with which the loops are faster.
    return [height, width].map((side, axis) => (((side - kernel[axis]) / strides[axis]) | 0) + 1);
  }

  /**
   * Copy the window of an image below each position of a kernel into one row, so that a convolution is a product of two
   * matrices (im2col).
   *
   * @param {Tensor} images `[n, c, h, w]`
   * @param {number} n index of the image
   * @param {number[]} kernel
   * @param {number[]} strides
   * @returns {Float32Array} `[positions, c * kernel height * kernel width]`
   */
  function copyWindows(images, n, kernel, strides) {
    const [, channels, height, width] = images.shape;
    const [rows, columns] = positionsOf(images, kernel, strides);
    const windows = new Float32Array(rows * columns * channels * sizeOf(kernel));
    let at = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let channel = 0; channel < channels; channel++) {
          for (let y = 0; y < kernel[0]; y++) {
            const line = (n * channels + channel) * height + row * strides[0] + y;
            const from = line * width + column * strides[1];
            for (let x = 0; x < kernel[1]; x++) windows[at++] = images.values[from + x];
          }
        }
      }
    }
    return windows;
  }

  /**
   * Return the operator that combines two tensors value by value. Shapes are extended as in NumPy.
   *
   * @param {(a: number, b: number) => number} combine
   * @returns {Operator}
   */
  function elementwise(combine) {
    return (inputs) => {
      const rank = Math.max(...inputs.map(({ shape }) => shape.length));
      const shapes = inputs.map(({ shape }) => [...Array(rank - shape.length).fill(1), ...shape]);
      const shape = shapes[0].map((side, axis) => (side === 1 ? shapes[1][axis] : side));
      const [a, b] = inputs.map(({ values }, i) => {
        if (values.length === sizeOf(shape)) return values;
        return rearranged(values, shape, stepsOf(shapes[i]).map((step, axis) => (shapes[i][axis] === 1 ? 0 : step)));
      });
      return { shape, values: a.map((value, i) => combine(value, b[i])) };
    };
  }

  /** @type {Operator} */
  function transpose([{ shape, values }], { perm }) {
    const reordered = (/** @type {number[]} */ list) => perm.map((/** @type {number} */ axis) => list[axis]);
    const newShape = reordered(shape);
    return { shape: newShape, values: rearranged(values, newShape, reordered(stepsOf(shape))) };
  }

  /** Return the number of values from one index of each axis to the next. @param {number[]} shape */
  function stepsOf(shape) {
    return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  }

  /**
   * Return values in another order, or repeated.
   *
   * @param {Float32Array} values
   * @param {number[]} shape of the result
   * @param {number[]} steps in `values` for each axis of the result
   * @param {number} [start] place of the first value of the result
   */
  function rearranged(values, shape, steps, start = 0) {
    const newSteps = stepsOf(shape);
    return new Float32Array(sizeOf(shape)).map((_, i) => {
      let from = start;
      for (let axis = 0; axis < shape.length; axis++) {
        from += (Math.floor(i / newSteps[axis]) % shape[axis]) * steps[axis];
      }
      return values[from];
    });
  }

  /** @type {Operator} */
  function reshape([{ shape, values }, { values: sides }]) {
    const newShape = Array.from(sides, (side, axis) => (side === 0 ? shape[axis] : side | 0));
    const rest = (values.length / -sizeOf(newShape)) | 0; // the side that is given as -1
    return { shape: newShape.map((side) => (side === -1 ? rest : side)), values };
  }

  /** @type {Operator} */
  function unsqueeze([{ shape, values }, { values: axes }]) {
    const newShape = [...shape];
    const rank = shape.length + axes.length;
    const added = Array.from(axes, (axis) => (axis + rank) % rank).sort((x, y) => x - y);
    for (const axis of added) newShape.splice(axis, 0, 1);
    return { shape: newShape, values };
  }

  /** @type {Operator} */
  function concat(inputs, { axis }) {
    const { shape } = inputs[0];
    const at = (axis + shape.length) % shape.length;
    const blocks = inputs.map((input) => sizeOf(input.shape.slice(at)));
    const block = blocks.reduce((sum, size) => sum + size, 0);
    const count = sizeOf(shape.slice(0, at));
    const values = new Float32Array(count * block);
    let offset = 0;
    inputs.forEach((input, i) => {
      for (let n = 0; n < count; n++) {
        values.set(input.values.subarray(n * blocks[i], (n + 1) * blocks[i]), n * block + offset);
      }
      offset += blocks[i];
    });
    const side = inputs.reduce((sum, input) => sum + input.shape[at], 0);
    return { shape: shape.map((old, i) => (i === at ? side : old)), values };
  }

  /** @type {Operator} */
  function slice([{ shape, values }, ...limits]) {
    const [starts, ends, axes, jumps] = limits.map((input) => input.values);
    const newShape = [...shape];
    const steps = stepsOf(shape);
    let from = 0;
    axes.forEach((given, i) => {
      const axis = (given + shape.length) % shape.length;
      const [side, jump] = [shape[axis], jumps[i]];
      const [low, high] = jump > 0 ? [0, side] : [-1, side - 1];
      const [first, end] = [starts[i], ends[i]].map((at) => Math.min(Math.max(at < 0 ? at + side : at, low), high));
      newShape[axis] = Math.max(Math.ceil((end - first) / jump), 0);
      from += first * steps[axis];
      steps[axis] *= jump;
    });
    return { shape: newShape, values: rearranged(values, newShape, steps, from) };
  }

  /** @type {Operator} */
  function batchNormalization([{ shape, values }, scale, bias, mean, variance], { epsilon }) {
    const plane = sizeOf(shape.slice(2));
    const factors = scale.values.map((value, i) => value / Math.sqrt(variance.values[i] + epsilon));
    const result = values.map((value, i) => {
      const channel = Math.floor(i / plane) % shape[1];
      return (value - mean.values[channel]) * factors[channel] + bias.values[channel];
    });
    return { shape, values: result };
  }

  /** @type {Operator} */
  function reduceMean([input, { values: axes }], { keepdims }) {
    const { shape } = input;
    const reduced = Array.from(axes, (axis) => (axis + shape.length) % shape.length);
    const kept = shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
    const perm = [...kept, ...reduced];
    const isLast = perm.every((axis, i) => axis === i);
    const { values } = isLast ? input : transpose([input], { perm });
    const size = reduced.reduce((product, axis) => product * shape[axis], 1);
    const means = new Float32Array(values.length / size);
    for (let i = 0; i < values.length; i++) means[Math.floor(i / size)] += values[i] / size;
    const newShape = shape.map((side, axis) => (reduced.includes(axis) ? 1 : side));
    return { shape: keepdims ? newShape : kept.map((axis) => shape[axis]), values: means };
  }

  /** @type {Operator} */
  function logSoftmax([{ shape, values }]) {
    // The axis is the last one.
    const size = shape[shape.length - 1];
    const result = new Float32Array(values.length);
    for (let start = 0; start < values.length; start += size) {
      const row = values.subarray(start, start + size);
      const largest = Math.max(...row);
      const sum = row.reduce((total, value) => total + Math.exp(value - largest), 0);
      result.set(row.map((value) => value - largest - Math.log(sum)), start);
    }
    return { shape, values: result };
  }

  return { load };
}
