"""The ONNX graph of a network, from which all other formats except torch are made."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from jaxtyping import UInt8
from torch import Tensor, nn
from torch.export import Dim

from penstroke.errors import ModelError
from penstroke.models.description import Description
from penstroke.networks.layers import Normalise

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "images", "log_probs"


def onnx_graph(module: nn.Module, description: Description) -> "ModelProto":
    """Return the graph of a network: raw images ``uint8 [n, c, h, w]`` to log-probabilities ``float32 [n, classes]``.

    The batch size ``n`` is dynamic, weights are stored in the model as ``float32``, under PyTorch's names.

    Args:
        module: network that takes raw images and returns log-probabilities. It is not changed.
        description: the model's metadata.

    Raises:
        ModelError: the network contains something that PyTorch cannot export to ONNX.
    """
    images = torch.zeros((2, *description.image_shape), dtype=torch.uint8)
    return export_graph(module, images, {0: Dim("n")})


def export_graph(module: nn.Module, images: UInt8[Tensor, "n c h w"], dynamic: dict[int, Dim]) -> "ModelProto":
    """Return the graph of a network that takes raw images and returns log-probabilities.

    Args:
        module: the network. It is not changed.
        images: an example of its input.
        dynamic: the dimensions of the input that may differ from the example, by number.

    Raises:
        ModelError: see ``onnx_graph``.
    """
    with _quiet():
        try:
            program = torch.onnx.export(
                _in_default_layout(module),
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(dynamic,),
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise not_exportable(error, "ONNX") from error
    assert program is not None
    model = program.model_proto
    _remove_metadata(model)
    return model


def not_exportable(error: Exception, target: str) -> ModelError:
    """Return the error for a network that PyTorch cannot export, with the cause that PyTorch names."""
    cause = error
    while isinstance(cause.__cause__, Exception):
        cause = cause.__cause__
    reason = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    return ModelError(
        f"PyTorch cannot export the network to {target}: {reason.rstrip('.')}.",
        "Use layers of torch.nn, without Python control flow that depends on values or on the batch size.",
    )


def _in_default_layout(module: nn.Module) -> nn.Module:
    """Return a copy without channels-last memory, which only PyTorch benefits from and which complicates the graph."""
    plain = deepcopy(module).cpu().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for layer in plain.modules():
        if isinstance(layer, Normalise):  # each member of a committee has one
            layer.register_forward_hook(_contiguous)
    return plain


def _contiguous(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:  # noqa: ARG001 - a hook
    return output.contiguous()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's notes on torchvision, which is not used, and on its own deprecated calls."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _remove_metadata(model: "ModelProto") -> None:
    """Remove what the exporter noted on the origin of nodes and values, and the shapes of intermediate values."""
    graph = model.graph
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.ClearField("doc_string")
