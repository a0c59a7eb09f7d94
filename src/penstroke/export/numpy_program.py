"""Compute a model of ``penstroke export --to npz`` with NumPy: ``python numpy_program.py MODEL.npz IMAGES.npy``."""

import json
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray


def windows(x: ndarray, size: Any, strides: list[int], pads: list[int], border: float) -> ndarray:
    """Return the windows ``[n, c, rows, columns, *size]`` of ``x [n, c, h, w]``."""
    padded = np.pad(x, ((0, 0), (0, 0), pads[::2], pads[1::2]), constant_values=border)
    return np.lib.stride_tricks.sliding_window_view(padded, size, (2, 3))[:, :, :: strides[0], :: strides[1]]


def conv(x: ndarray, weight: ndarray, bias: Any = 0, *, strides: list[int], pads: list[int]) -> ndarray:
    """Return the convolution of ``x [n, c, h, w]`` with ``weight [out, c, height, width]``."""
    patches = windows(x, weight.shape[2:], strides, pads, border=0)
    return np.moveaxis(np.tensordot(patches, weight, ((1, 4, 5), (1, 2, 3))) + bias, -1, 1)


def batch_norm(x: ndarray, scale: ndarray, bias: ndarray, mean: ndarray, var: ndarray, *, epsilon: float) -> ndarray:
    """Return ``x [n, c, ...]`` normalised with the mean and the variance of each channel."""
    return np.moveaxis((np.moveaxis(x, 1, -1) - mean) / np.sqrt(var + epsilon) * scale + bias, -1, 1)


def cut(x: ndarray, *limits: ndarray) -> ndarray:
    """Return a part of ``x``: ``limits`` are starts, ends, axes and steps. The step -1 mirrors an axis."""
    cuts = {int(axis) % x.ndim: slice(int(a), int(b), int(step)) for a, b, axis, step in zip(*limits, strict=True)}
    return x[tuple(cuts.get(axis, slice(None)) for axis in range(x.ndim))]


OPERATORS: dict[str, Any] = {
    **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide},
    "Cast": lambda x: x.astype(np.float32),
    "Reshape": lambda x, shape: x.reshape(shape.astype(int)),
    "Transpose": lambda x, *, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes.astype(int))),
    "Concat": lambda *parts, axis: np.concatenate(parts, axis),
    "Slice": cut,
    "Conv": conv,
    "BatchNormalization": batch_norm,
    "Relu": lambda x: np.maximum(x, 0),
    "MaxPool": lambda x, *, kernel_shape, strides, pads: windows(x, kernel_shape, strides, pads, -np.inf).max((4, 5)),
    "ReduceMean": lambda x, axes, *, keepdims: x.mean(tuple(axes.astype(int)), keepdims=bool(keepdims)),
    "Gemm": lambda x, weight, bias=0, *, transB: x @ (weight.T if transB else weight) + bias,
    "LogSoftmax": lambda x, *, axis: x - np.logaddexp.reduce(x, axis, keepdims=True),
}


def run(program: dict[str, Any], arrays: Mapping[str, ndarray], images: ndarray) -> ndarray:
    """Return log-probabilities ``float32 [n, classes]`` of raw images ``uint8 [n, c, h, w]``."""
    values = {**arrays, program["input"]: images}
    for step in program["steps"]:
        operator, operands = OPERATORS[step["op"]], [values[name] for name in step["inputs"]]
        values[step["output"]] = operator(*operands, **step["attributes"])
    return values[program["output"]]


if __name__ == "__main__":
    model = np.load(sys.argv[1])
    log_probs = run(json.loads(str(model["program"])), model, np.load(sys.argv[2]))
    classes = json.loads(str(model["description"]))["classes"]
    print(*(classes[index] for index in log_probs.argmax(1)))
