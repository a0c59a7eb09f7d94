"""Add the preparation of drawings to an ONNX model, so that it takes a drawing of any size instead of images."""

import math

import numpy as np
from onnx import ModelProto, TensorProto, checker, compose, helper, inliner, numpy_helper, shape_inference
from onnxscript import BOOL, INT64, UINT8
from onnxscript.optimizer import optimize

from penstroke.errors import ModelError
from penstroke.export.drawing_functions import prepare
from penstroke.models.description import Description


def with_preparation(model: ModelProto, description: Description) -> ModelProto:
    """Return a model that takes a drawing of any size.

    Input: ``drawing``, ``uint8 [1, height, width]``: dark ink on bright paper, or bright ink on dark paper.

    Outputs:

    - ``log_probs``, ``float32 [1, classes]``: log-probabilities, all equal if the canvas is empty.
    - ``image``, ``uint8 [1, 1, size, size]``: the prepared drawing, as the network gets it.
    - ``ink``, ``bool [1]``: whether something is drawn. False if all levels are nearly equal.

    Args:
        model: model of opset 20 from ``images``, ``uint8 [n, 1, size, size]``, to ``log_probs``. It is not changed.
        description: the model's metadata.

    Raises:
        ModelError: the model does not take square grey images of digits.
    """
    check_preparable(description)
    size = description.image_shape[1]
    prepared = preparation(size, model.ir_version).graph
    network = compose.add_prefix(model, "network/").graph
    classes = len(description.classes)
    nodes = [
        *prepared.node,
        helper.make_node("Identity", ["image"], ["network/images"]),
        *network.node,
        helper.make_node("Constant", [], ["equal"], value_float=-math.log(classes)),
        helper.make_node("Where", ["ink", "network/log_probs", "equal"], ["log_probs"]),
    ]
    outputs = [helper.make_tensor_value_info("log_probs", TensorProto.FLOAT, [1, classes]), *prepared.output]
    initializers = [*prepared.initializer, *network.initializer]
    graph = helper.make_graph(nodes, "drawing", prepared.input, outputs, initializers)
    result = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    checker.check_model(result, full_check=True)
    return result


def check_preparable(description: Description) -> None:
    """Check that the preparation of drawings applies to a model.

    Raises:
        ModelError: the model does not take square grey images of digits.
    """
    channels, height, width = description.image_shape
    if description.preprocessing == "digit" and channels == 1 and height == width:
        return
    raise ModelError(
        f"The model takes images of shape {list(description.image_shape)} with preprocessing "
        f"{description.preprocessing!r}; with-preparation, for drawings, needs [1, size, size] and 'digit'.",
        "Export the model without with-preparation, and make its images with penstroke.pictures.preprocess; or export "
        "a web page, which prepares pictures itself.",
    )


def preparation(size: int, ir_version: int) -> ModelProto:
    """Return a model from ``drawing`` to ``image`` and ``ink``."""
    model = prepare.to_model_proto(
        input_types=[UINT8[1, "height", "width"], INT64],
        output_types=[UINT8[1, 1, size, size], BOOL[1]],
        ir_version=ir_version,
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(size), model.graph.input.pop().name))
    return inlined(model)


def inlined(model: ModelProto) -> ModelProto:
    """Return the model of an ONNX function with standard operators only."""
    # Known types let the optimizer remove the casts of constants.
    return optimize(shape_inference.infer_shapes(inliner.inline_local_functions(model)), num_iterations=1)
