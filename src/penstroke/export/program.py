"""The graph of a model as a program: a list of steps in JSON and named arrays, for NumPy and for JavaScript.

Operators and attributes have the names and the meaning of ONNX. Only the operators and attribute values below are
supported, so that a runtime needs no other cases.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from penstroke.errors import ModelError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_FLOAT32 = 1
"""ONNX's number of the type."""
_KEPT: dict[str, dict[str, Any]] = {
    "Add": {},
    "BatchNormalization": {"epsilon": 1e-5},
    "Cast": {},
    "Concat": {"axis": None},
    "Conv": {"strides": [1, 1], "pads": [0, 0, 0, 0]},
    "Div": {},
    "Gemm": {"transB": 0},
    "LogSoftmax": {"axis": -1},
    "MaxPool": {"kernel_shape": None, "strides": [1, 1], "pads": [0, 0, 0, 0]},
    "Mul": {},
    "ReduceMean": {"keepdims": 1},
    "Relu": {},
    "Reshape": {},
    "Slice": {},
    "Sub": {},
    "Transpose": {"perm": None},
    "Unsqueeze": {},
}
"""The supported operators, and their attributes in a program with the default values of ONNX."""
_FIXED: dict[str, dict[str, Any]] = {
    "BatchNormalization": {"training_mode": 0},
    "Cast": {"to": _FLOAT32},
    "Conv": {"auto_pad": "NOTSET", "dilations": [1, 1], "group": 1},
    "Gemm": {"alpha": 1.0, "beta": 1.0, "transA": 0},
    "MaxPool": {"auto_pad": "NOTSET", "ceil_mode": 0, "dilations": [1, 1], "storage_order": 0},
    "ReduceMean": {"noop_with_empty_axes": 0},
}
"""Attributes that are supported with this value alone, and are therefore not in a program."""
_UNUSED = {"allowzero", "kernel_shape", "momentum", "saturate"}
"""Attributes that do not change the result of these operators: of ``Conv``, the kernel has the shape of its weights."""
_SLICE_INPUTS = 5
"""``Slice`` is supported with all of its inputs: data, starts, ends, axes and steps, as PyTorch writes it."""


@dataclass(frozen=True)
class Program:
    """The steps from raw images ``uint8 [n, c, h, w]`` to log-probabilities ``float32 [n, classes]``.

    Args:
        steps: the steps in their order, each with ``op``, ``inputs``, ``output`` and ``attributes``.
        arrays: the weights and other constants by name.
        input: name of the images.
        output: name of the log-probabilities.
    """

    steps: tuple[dict[str, Any], ...]
    arrays: dict[str, ndarray]
    input: str
    output: str

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the arrays."""
        return {"input": self.input, "output": self.output, "steps": list(self.steps)}


def program_of(model: "ModelProto") -> Program:
    """Return the program of a graph made by ``onnx_graph``.

    Raises:
        ModelError: the graph has operators, or values of attributes, that programs do not support; all are named.
    """
    from onnx import numpy_helper

    unsupported = sorted({problem for node in model.graph.node for problem in _problems(node)})
    if unsupported:
        raise ModelError(
            f"The formats npz and web do not support these operators of the network: {', '.join(unsupported)}.",
            "Export it with `--to onnx` or `--to torch`.",
        )
    return Program(
        steps=tuple(_step(node) for node in model.graph.node),
        arrays={array.name: numpy_helper.to_array(array) for array in model.graph.initializer},
        input=model.graph.input[0].name,
        output=model.graph.output[0].name,
    )


def _problems(node: "NodeProto") -> list[str]:
    """Return what is not supported in a node."""
    if node.op_type not in _KEPT or node.domain or len(node.output) > 1:
        return [node.op_type]
    if node.op_type == "Slice" and len([name for name in node.input if name]) < _SLICE_INPUTS:
        return ["Slice without axes and steps"]
    kept, fixed = _KEPT[node.op_type], _FIXED.get(node.op_type, {})
    return [
        f"{node.op_type} with {name} {value}"
        for name, value in _attributes(node).items()
        if name not in kept and name not in _UNUSED and value != fixed.get(name)
    ]


def _step(node: "NodeProto") -> dict[str, Any]:
    given = _attributes(node)
    attributes = {name: given.get(name, default) for name, default in _KEPT[node.op_type].items()}
    return {"op": node.op_type, "inputs": list(node.input), "output": node.output[0], "attributes": attributes}


def _attributes(node: "NodeProto") -> dict[str, Any]:
    """Return the attributes of a node as plain JSON values."""
    from onnx import helper

    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}
