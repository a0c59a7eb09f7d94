"""Exported files, opened by their own runtimes."""

import base64
import gzip
import io
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from penstroke.export import numpy_program
from penstroke.inference.backends.onnx import OnnxBackend
from penstroke.models.description import Description

Runtime: TypeAlias = Callable[[UInt8[ndarray, "n c h w"]], Float32[ndarray, "n classes"]]
"""A function from raw images to log-probabilities."""
DrawingRuntime: TypeAlias = Callable[[UInt8[ndarray, "1 h w"]], Float32[ndarray, "1 classes"]]
"""A function from a drawing of any size to log-probabilities."""


def open_onnx(content: bytes, description: Description) -> Runtime:
    """Return the model in an ONNX file, computed by onnxruntime.

    Raises:
        ModelError: onnxruntime cannot load the file.
    """
    return OnnxBackend(content, description).log_probs


def open_drawing_onnx(content: bytes) -> DrawingRuntime:
    """Return the model in an ONNX file that takes drawings, computed by onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only, as in `OnnxBackend`
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (drawing,) = session.get_inputs()
    return lambda image: session.run(None, {drawing.name: image})[0]


def open_torch(content: bytes) -> Runtime:
    """Return the network in a ``.pt2`` file, computed by PyTorch."""
    import torch

    module = torch.export.load(io.BytesIO(content)).module()

    def run(images: UInt8[ndarray, "n c h w"]) -> Float32[ndarray, "n classes"]:
        with torch.inference_mode():
            return np.asarray(module(torch.from_numpy(images)).numpy())

    return run


def open_npz(content: bytes) -> Runtime:
    """Return the model in an ``.npz`` file, computed by NumPy."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = dict(file)
    return partial(numpy_program.run, json.loads(str(arrays["program"])), arrays)


def open_web(files: Mapping[str, bytes]) -> Runtime:
    """Return the model in a web page, computed by NumPy; the tests compare the page's JavaScript with it."""
    (page,) = (content.decode() for name, content in files.items() if name.endswith(".html"))
    block = re.search(r'<script type="application/json" id="model">(.*?)</script>', page, re.DOTALL)
    assert block
    model = json.loads(block[1])
    return partial(numpy_program.run, model["program"], _page_arrays(model))


def _page_arrays(model: dict[str, Any]) -> dict[str, ndarray]:
    """Return the arrays of a page as float32: see ``penstroke.export.web`` for their layout."""
    content = gzip.decompress(base64.b64decode(model["weights"]))
    sizes = {array["name"]: math.prod(array["shape"]) for array in model["arrays"]}
    halves = sum(sizes[array["name"]] for array in model["arrays"] if array["dtype"] == "float16")
    planes = np.frombuffer(content[: 2 * halves], np.uint8).reshape(2, halves)
    values = {
        "float16": np.ascontiguousarray(planes[::-1].T).view("<f2").ravel().astype(np.float32),
        "float32": np.frombuffer(content[2 * halves :], "<f4"),
    }
    arrays = {}
    for array in model["arrays"]:
        size, rest = sizes[array["name"]], values[array["dtype"]]
        arrays[array["name"]], values[array["dtype"]] = rest[:size].reshape(array["shape"]), rest[size:]
    return arrays
