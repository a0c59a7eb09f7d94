"""Weights with fewer bits: float16 in files, 8 significant bits for the web page, int8 arithmetic."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float16, Float32, UInt8
from numpy import ndarray

from penstroke.errors import DataError, ModelError

if TYPE_CHECKING:
    from onnx import ModelProto

CALIBRATION_IMAGES = 1000
"""Number of training images that the ranges of int8 are measured on."""
MIN_CALIBRATION_IMAGES = 500
CALIBRATION_BATCH = 100
INT8_OPERATORS = ["Conv", "Gemm", "Relu", "MaxPool", "Add", "Transpose", "Reshape"]
"""The operators that compute in int8."""


def is_weight(array: ndarray) -> bool:
    """Return whether an array holds the weights of a layer: ``float32``, with at least two sides longer than 1.

    All other arrays (biases, statistics, shapes) are small and keep their precision.
    """
    return array.dtype == np.float32 and array.squeeze().ndim >= 2


def round_weights(array: Float32[ndarray, "..."]) -> Float32[ndarray, "..."]:
    """Return an array rounded to 8 significant bits, the precision of bfloat16, in the range of float16.

    Every value of the result is exactly a float16. Its low byte has few different values, so it compresses well.

    Raises:
        ModelError: a value is too large for float16.
    """
    # As in a conversion to bfloat16: to the nearest value, and to the even one of two.
    bits = np.ascontiguousarray(array).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return _as_float16(rounded.view(np.float32)).astype(np.float32)


def round_model(arrays: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """Return the arrays of a model, its weights (see ``is_weight``) rounded by ``round_weights``."""
    return {name: round_weights(array) if is_weight(array) else array for name, array in arrays.items()}


def with_arrays(model: "ModelProto", arrays: Mapping[str, ndarray]) -> "ModelProto":
    """Return a copy of a graph with other values of its arrays."""
    from onnx import numpy_helper

    copy = deepcopy(model)
    for array in copy.graph.initializer:
        array.CopyFrom(numpy_helper.from_array(arrays[array.name], array.name))
    return copy


def store_as_float16(model: "ModelProto") -> "ModelProto":
    """Return a copy of a graph that stores its weights as float16, each with a cast to float32 behind it.

    The arithmetic remains float32: onnxruntime computes the casts once, when it loads the file.

    Raises:
        ModelError: a weight is too large for float16.
    """
    from onnx import TensorProto, helper, numpy_helper

    arrays = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    weights = [name for name, array in arrays.items() if is_weight(array)]
    copy = with_arrays(model, arrays | {name: _as_float16(arrays[name]) for name in weights})
    converted = {name: f"{name}.float32" for name in weights}
    for node in copy.graph.node:
        node.input[:] = [converted.get(name, name) for name in node.input]
    casts = [helper.make_node("Cast", [name], [converted[name]], to=TensorProto.FLOAT) for name in weights]
    nodes = [*casts, *copy.graph.node]
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def quantise(model: "ModelProto", images: UInt8[ndarray, "n c h w"]) -> "ModelProto":
    """Return a graph that computes in int8, with one scale for each output channel of the weights.

    The first and the last layer, which are the most sensitive ones, remain in float32. The weights have 7 bits, because
    processors without VNNI instructions add products of 8-bit numbers in 16 bits, which overflow.

    Args:
        model: a graph made by ``onnx_graph``.
        images: training images, of which ``CALIBRATION_IMAGES`` at equal distances are used to measure the ranges of
            the activations.

    Raises:
        DataError: there are fewer than ``MIN_CALIBRATION_IMAGES`` images.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.quant_utils import add_pre_process_metadata

    if len(images) < MIN_CALIBRATION_IMAGES:
        raise DataError(
            f"The training set has {len(images)} images; int8 is calibrated on at least {MIN_CALIBRATION_IMAGES}.",
            "Use a larger dataset, or another precision.",
        )
    chosen = images[np.linspace(0, len(images) - 1, min(CALIBRATION_IMAGES, len(images))).astype(int)]
    batches = iter(np.split(chosen, range(CALIBRATION_BATCH, len(chosen), CALIBRATION_BATCH)))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {model.graph.input[0].name: batch}

    layers = [node.name for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
    copy = deepcopy(model)  # `quantize_static` changes its argument
    add_pre_process_metadata(copy)  # the exporter has folded constants and batch normalisation already
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        quantize_static(
            copy,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=INT8_OPERATORS,
            nodes_to_exclude=[*layers[:1], *layers[-1:]],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        quantised = onnx.load(path)
    del quantised.metadata_props[:]
    return quantised


def _as_float16(array: Float32[ndarray, "..."]) -> Float16[ndarray, "..."]:
    largest = np.finfo(np.float16).max
    if np.abs(array).max(initial=0) > largest:
        raise ModelError(
            f"A weight of the network is {np.abs(array).max():g}, more than {largest:g}, the largest float16.",
            "Export the model as float32 ONNX, or in the format torch or npz.",
        )
    return array.astype(np.float16)
