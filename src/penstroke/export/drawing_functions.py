"""ONNX functions that prepare a drawing, written in onnxscript with standard operators only.

They compute what ``penstroke.pictures.prepare`` computes for drawn pictures, whose paper has one grey level. All ink
belongs to the symbol: specks, neighbours and printed lines are not removed. Photographs are not supported. onnxscript
requires that a function is defined before its callers; the last one is the whole preparation.
"""

from collections.abc import Callable
from typing import Any

from onnxscript import BOOL, DOUBLE, FLOAT, INT64, UINT8, script
from onnxscript import opset20 as op
from onnxscript.values import Opset

from penstroke.pictures.ink import WORK_SIDE, WORK_STROKE
from penstroke.pictures.polarity import MIN_CONTRAST
from penstroke.pictures.shape import (
    BOX,
    MAX_STROKE,
    MAX_STROKE_TARGET,
    MIN_LEVEL,
    MIN_STROKE,
    MIN_STROKE_TARGET,
    OVERSAMPLING,
)

BOX_SHARE = BOX / 28
"""Length of the symbol's longer side, relative to the image."""
MEASURED_SIDE = 240
"""Longest side, in pixels, of the ink on which the width of the pen is measured."""
MAX_RADIUS = 8
"""Maximum number of oversampled pixels by which strokes are widened or thinned on each side."""
FAR = 1e6
"""Square of a distance that is longer than all distances."""

onnx_function: Callable[[Callable[..., Any]], Any] = script(Opset("penstroke.drawing", 1), default_opset=op)


@onnx_function
def squared_distances(count: INT64) -> FLOAT:
    """Return the squares of the differences of the integers below ``count``, ``[count, count]``."""
    numbers = op.Cast(op.Range(0, count, 1), to=FLOAT.dtype)
    difference = op.Unsqueeze(numbers, [0]) - op.Unsqueeze(numbers, [1])
    return difference * difference


@onnx_function
def stroke_width(mask: BOOL) -> FLOAT:
    """Return the median width of a mask's strokes in pixels, from exact distances to the paper."""
    padded = op.Pad(op.Cast(mask, to=FLOAT.dtype), [1, 1, 1, 1])
    shape = op.Shape(padded)
    # The square of the distance to the nearest paper in the same row, then in all rows.
    rows, columns = squared_distances(op.Gather(shape, 0)), squared_distances(op.Gather(shape, 1))
    in_row = op.ReduceMin(op.Unsqueeze(FAR * padded, [1]) + columns, [2], keepdims=0)
    distance = op.Sqrt(op.ReduceMin(in_row + op.Unsqueeze(rows, [2]), [1], keepdims=0))
    highest = op.MaxPool(op.Unsqueeze(distance, [0, 1]), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    ridge = op.Reshape(op.Where(distance >= op.Squeeze(highest, [0, 1]), distance, 0.0), [-1])
    ordered, _ = op.TopK(ridge, op.Shape(ridge))
    count = op.ReduceSum(op.Cast(ordered > 0.0, to=INT64.dtype), keepdims=0)
    median = 0.5 * (op.Gather(ordered, op.Max(count - 1, 0) / 2) + op.Gather(ordered, count / 2))
    return op.Max(2.0 * median - 0.5, 1.0)


@onnx_function
def resize_weights(before: INT64, after: INT64, cubic: BOOL) -> FLOAT:
    """Return the weight ``[after, before]`` of each pixel in each pixel of the result, for one axis."""
    scale = op.Cast(before, to=DOUBLE.dtype) / op.Cast(after, to=DOUBLE.dtype)
    reach = op.Max(scale, 1.0)
    centres = op.Unsqueeze((op.Cast(op.Range(0, after, 1), to=DOUBLE.dtype) + 0.5) * scale, [1])
    pixels = op.Unsqueeze(op.Cast(op.Range(0, before, 1), to=DOUBLE.dtype), [0])
    distance = (pixels - centres + 0.5) * (1.0 / reach)
    # Both conditions are the same but for rounding, which decides about pixels on the edge of two areas.
    inside = op.And(pixels >= op.Floor(centres - 0.5 * reach + 0.5), pixels < op.Floor(centres + 0.5 * reach + 0.5))
    area = op.Cast(op.And(inside, op.And(distance > -0.5, distance <= 0.5)), to=DOUBLE.dtype)
    # The cubic convolution kernel with a = -0.5 (Keys, "Cubic convolution interpolation", 1981).
    x = op.Min(op.Abs(distance), 2.0)
    kernel = op.Where(x < 1.0, (1.5 * x - 2.5) * x * x + 1.0, ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0)
    weights = op.Where(cubic, kernel, area)
    return op.Cast(weights / op.ReduceSum(weights, [1]), to=FLOAT.dtype)


@onnx_function
def resize(level: FLOAT, height: INT64, width: INT64) -> FLOAT:
    """Return the levels averaged over areas, or interpolated cubically if the width increases, as Pillow does."""
    shape = op.Shape(level)
    enlarges = width > op.Gather(shape, 1)
    rows = resize_weights(op.Gather(shape, 0), height, enlarges)
    columns = resize_weights(op.Gather(shape, 1), width, enlarges)
    return op.MatMul(op.MatMul(rows, level), op.Transpose(columns))


@onnx_function
def scaled(level: FLOAT, factor: DOUBLE) -> tuple[INT64, INT64]:
    """Return height and width multiplied by a factor."""
    sides = op.Round(op.Cast(op.Shape(level), to=DOUBLE.dtype) * factor)
    sides = op.Cast(op.Max(sides, 1.0), to=INT64.dtype)
    return op.Gather(sides, 0), op.Gather(sides, 1)


@onnx_function
def fit(level: FLOAT, side: INT64) -> FLOAT:
    """Return the levels scaled so that the longer side is ``side``."""
    longest = op.ReduceMax(op.Shape(level), keepdims=0)
    height, width = scaled(level, op.Cast(side, to=DOUBLE.dtype) / op.Cast(longest, to=DOUBLE.dtype))
    return op.Clip(resize(level, height, width), 0.0, 1.0)


@onnx_function
def crop(values: FLOAT, mask: BOOL) -> FLOAT:
    """Return the part of the values within the bounding box of the mask."""
    area = op.Cast(mask, to=FLOAT.dtype)
    rows, columns = op.ReduceMax(area, [1], keepdims=0), op.ReduceMax(area, [0], keepdims=0)
    first = op.Concat(op.ArgMax(rows), op.ArgMax(columns), axis=0)
    last = op.Concat(op.ArgMax(rows, select_last_index=1), op.ArgMax(columns, select_last_index=1), axis=0)
    return op.Slice(values, first, last + 1)


@onnx_function
def limit_stroke_width(fine: FLOAT, width: FLOAT, scale: FLOAT) -> FLOAT:
    """Return the ink with strokes widened by a dilation with a disk, or thinned by an erosion."""
    thin = width < MIN_STROKE
    change = op.Where(thin, MIN_STROKE_TARGET, MAX_STROKE_TARGET) - width
    radius = op.Clip(op.Round(op.Abs(change) / 2.0 * scale), 1.0, MAX_RADIUS)
    # An erosion is a dilation of the negative levels. Outside, they are the lowest of all, which has no effect.
    sign, outside = op.Where(thin, 1.0, -1.0), op.Where(thin, 0.0, -1.0)
    margin = op.Where(thin, op.Cast(radius, to=INT64.dtype), 0)
    padded = op.Pad(fine * sign, op.Expand(margin + MAX_RADIUS, [4]), outside)
    shape = op.Shape(padded) - 2 * MAX_RADIUS
    offsets = op.Range(0, 2 * MAX_RADIUS + 1, 1)
    rows = op.Unsqueeze(offsets, [1]) + op.Range(0, op.Gather(shape, 0), 1)
    columns = op.Unsqueeze(offsets, [1]) + op.Range(0, op.Gather(shape, 1), 1)
    neighbours = op.Gather(op.Gather(padded, rows, axis=0), columns, axis=2)
    squares = op.Cast((offsets - MAX_RADIUS) * (offsets - MAX_RADIUS), to=FLOAT.dtype)
    disk = op.Unsqueeze(squares, [1]) + squares <= radius * radius + 1.0
    dilated = op.ReduceMax(op.Where(op.Unsqueeze(disk, [1, 3]), neighbours, -1.0), [0, 2], keepdims=0)
    return dilated * sign


@onnx_function
def centred_start(mass: FLOAT, size: INT64) -> INT64:
    """Return where, ``[1]``, a row of masses starts among ``size`` pixels so that its centre is in their middle."""
    length = op.Shape(mass)
    positions = op.Cast(op.Range(0, op.Squeeze(length, [0]), 1), to=FLOAT.dtype)
    middle = op.ReduceSum(mass * positions) / op.Max(op.ReduceSum(mass), 1e-6)
    start = size / 2 - op.Cast(op.Floor(middle + 0.5), to=INT64.dtype)
    return op.Max(op.Min(start, size - length), 0)


@onnx_function
def centre(fitted: FLOAT, size: INT64) -> FLOAT:
    """Return an image ``[size, size]`` with the centre of mass in its middle, shifted by whole pixels."""
    rows, columns = op.ReduceSum(fitted, [1], keepdims=0), op.ReduceSum(fitted, [0], keepdims=0)
    first = op.Concat(centred_start(rows, size), centred_start(columns, size), axis=0)
    return op.Pad(fitted, op.Concat(first, size - op.Shape(fitted) - first, axis=0))


@onnx_function
def to_symbol(level: FLOAT, size: INT64) -> FLOAT:
    """Return the ink scaled to its box and centred, ``[size, size]``, with the width of its strokes limited."""
    box = op.Cast(op.Round(op.Cast(size, to=FLOAT.dtype) * BOX_SHARE), to=INT64.dtype)
    cropped = crop(level, level > MIN_LEVEL)
    fine = fit(cropped, box * OVERSAMPLING)
    # Pixels of ``fine`` per pixel of an image of 28 x 28.
    scale = op.Cast(box * OVERSAMPLING, to=FLOAT.dtype) / BOX
    width = stroke_width(fine > 0.5) / scale
    is_usual = op.And(width >= MIN_STROKE, width <= MAX_STROKE)
    has_size = op.Abs(op.ReduceMax(op.Shape(cropped), keepdims=0) - box) <= 1
    if op.And(is_usual, has_size):
        fitted = op.Identity(cropped)
    elif is_usual:
        fitted = fit(fine, box)
    else:
        fitted = fit(limit_stroke_width(fine, width, scale), box)
    return centre(fitted, size)


@onnx_function
def average_columns(grey: FLOAT, width: INT64) -> FLOAT:
    """Return a picture reduced to a width, with whole levels. Sums of whole levels are exact, unlike a product."""
    before = op.Cast(op.Gather(op.Shape(grey), 1), to=DOUBLE.dtype)
    scale = before / op.Cast(width, to=DOUBLE.dtype)
    edges = op.Floor(op.Cast(op.Range(0, width + 1, 1), to=DOUBLE.dtype) * scale + 0.5)
    sums = op.Gather(op.Pad(op.CumSum(grey, 1), [0, 1, 0, 0]), op.Cast(edges, to=INT64.dtype), axis=1)
    areas = op.Cast(edges[1:] - edges[:-1], to=FLOAT.dtype)
    return op.Floor((sums[:, 1:] - sums[:, :-1]) / areas + 0.5)


@onnx_function
def shrink(grey: FLOAT) -> FLOAT:
    """Return a large picture reduced to ``WORK_SIDE`` by averaging over areas."""
    longest = op.ReduceMax(op.Shape(grey), keepdims=0)
    if longest > WORK_SIDE:
        height, width = scaled(grey, op.Cast(WORK_SIDE, to=DOUBLE.dtype) / op.Cast(longest, to=DOUBLE.dtype))
        result = op.Transpose(average_columns(op.Transpose(average_columns(grey, width)), height))
    else:
        result = op.Identity(grey)
    return result


@onnx_function
def histogram(grey: FLOAT) -> FLOAT:
    """Return the number of pixels ``[256]`` of each level in ``[n]``."""
    ones = op.Expand(1.0, op.Shape(grey))
    return op.ScatterElements(op.Expand(0.0, [256]), op.Cast(grey, to=INT64.dtype), ones, reduction="add")


@onnx_function
def by_contrast(counts: FLOAT, paper: INT64, sign: INT64) -> FLOAT:
    """Return the number of pixels ``[256]`` by how much brighter than the paper they are; darker, if ``sign`` is -1."""
    levels = paper + sign * op.Range(0, 256, 1)
    return op.Where(op.And(levels >= 0, levels <= 255), op.Gather(counts, op.Clip(levels, 0, 255)), 0.0)


@onnx_function
def percentile(counts: FLOAT, share: FLOAT) -> FLOAT:
    """Return the value below which a share of the values lies; ``counts`` are the numbers of the values 0 to 255."""
    last = op.ReduceSum(counts, keepdims=0) - 1.0
    position = share * last
    before = op.Floor(position)
    ranks = op.CumSum(counts, 0)
    low = op.ReduceSum(op.Cast(ranks <= before, to=FLOAT.dtype), keepdims=0)
    high = op.ReduceSum(op.Cast(ranks <= op.Min(before + 1.0, last), to=FLOAT.dtype), keepdims=0)
    return low + (position - before) * (high - low)


@onnx_function
def find_ink(grey: FLOAT) -> tuple[FLOAT, BOOL, BOOL]:
    """Return the level of the ink, which may exceed 0..1, the mask of the ink, and whether something is drawn.

    All decisions are functions of the histogram, by contrast to the paper.
    """
    counts = histogram(op.Reshape(grey, [-1]))
    border = histogram(op.Concat(grey[0], grey[-1], grey[:, 0], grey[:, -1], axis=0))
    paper = op.ArgMax(counts / op.ReduceSum(counts) + border / op.ReduceSum(border), keepdims=0)
    contrast = op.Cast(op.Range(0, 256, 1), to=FLOAT.dtype)
    darker, brighter = by_contrast(counts, paper, -1), by_contrast(counts, paper, 1)
    bright = op.ReduceSum(contrast * brighter, keepdims=0) > op.ReduceSum(contrast * darker, keepdims=0)
    counts = op.Where(bright, brighter, darker)
    visible = op.Where(contrast >= MIN_CONTRAST, counts, 0.0)
    found = op.ReduceSum(visible, keepdims=0) > 0.0
    threshold = 0.45 * percentile(visible, 0.95)
    strength = percentile(op.Where(contrast > threshold, counts, 0.0), 0.98)
    difference = (grey - op.Cast(paper, to=FLOAT.dtype)) * op.Where(bright, 1.0, -1.0)
    mask = op.And(found, difference > threshold)
    return difference / op.Max(strength, 1.0), mask, found


@onnx_function
def isolate(level: FLOAT, stroke: DOUBLE) -> FLOAT:
    """Return the levels of strokes and of their soft edges; fainter marks elsewhere become 0."""
    strokes = op.Unsqueeze(op.Cast(level > 0.25, to=FLOAT.dtype), [0, 1])
    # The soft edge is 3 or 2 pixels wide, because no stroke is wider than ``WORK_STROKE``.
    if op.Round(0.4 * stroke) > 2.0:
        near = op.MaxPool(strokes, kernel_shape=[7, 7], pads=[3, 3, 3, 3])
    else:
        near = op.MaxPool(strokes, kernel_shape=[5, 5], pads=[2, 2, 2, 2])
    return level * op.Squeeze(near, [0, 1])


@onnx_function
def reduce_strokes(level: FLOAT, mask: BOOL) -> FLOAT:
    """Return the levels, 0..1, reduced so that strokes are at most ``WORK_STROKE`` pixels wide."""
    ink = op.Cast(crop(mask, mask), to=FLOAT.dtype)
    longest = op.Cast(op.ReduceMax(op.Shape(ink), keepdims=0), to=DOUBLE.dtype)
    factor = op.Min(MEASURED_SIDE / longest, 1.0)
    height, width = scaled(ink, factor)
    stroke = op.Cast(stroke_width(resize(ink, height, width) > 0.5), to=DOUBLE.dtype) / factor
    if stroke > WORK_STROKE:
        height, width = scaled(level, WORK_STROKE / stroke)
        result = resize(level, height, width)
    else:
        result = op.Identity(level)
    return isolate(op.Clip(result, 0.0, 1.0), op.Min(stroke, WORK_STROKE))


@onnx_function
def prepare(drawing: UINT8, size: INT64) -> tuple[UINT8, BOOL]:
    """Return the prepared drawing ``[1, 1, size, size]``, and whether something is drawn, ``[1]``."""
    level, mask, found = find_ink(shrink(op.Cast(op.Squeeze(drawing, [0]), to=FLOAT.dtype)))
    symbol = op.Where(found, to_symbol(reduce_strokes(level, mask), size), 0.0)
    image = op.Cast(op.Round(op.Unsqueeze(symbol, [0, 1]) * 255.0), to=UINT8.dtype)
    ink = op.Unsqueeze(found, [0])
    return image, ink
