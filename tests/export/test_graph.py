"""The ONNX graph of a network."""

import logging

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from penstroke import Classifier
from penstroke.errors import ModelError
from penstroke.export.graph import onnx_graph
from penstroke.inference.backends.torch import TorchBackend
from penstroke.networks.layers import wrap_module


def module_of(classifier: Classifier) -> nn.Module:
    assert isinstance(classifier.backend, TorchBackend)
    return classifier.backend.module


def test_input_output_and_names(book_graph: onnx.ModelProto) -> None:
    model = book_graph
    onnx.checker.check_model(model, full_check=True)
    shapes = [
        (value.name, value.type.tensor_type.elem_type, [side.dim_param or side.dim_value for side in sides.dim])
        for value in (*model.graph.input, *model.graph.output)
        for sides in [value.type.tensor_type.shape]
    ]
    assert shapes == [
        ("images", onnx.TensorProto.UINT8, ["n", 1, 28, 28]),
        ("log_probs", onnx.TensorProto.FLOAT, ["n", 10]),
    ]
    names = {array.name for array in model.graph.initializer}
    assert {"cn1.weight", "cn1.bias", "cn2.weight", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"} <= names


def test_nothing_notes_where_the_model_was_made(colour_graph: onnx.ModelProto) -> None:
    model = colour_graph
    parts = (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer)
    assert not any(part.metadata_props or part.doc_string for part in parts)
    assert not model.graph.value_info
    assert b"penstroke" not in model.SerializeToString()


def test_equal_networks_give_equal_bytes_silently_and_are_unchanged(
    residual: Classifier,
    residual_graph: onnx.ModelProto,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = module_of(residual)
    before = {name: (tensor.clone(), tensor.stride()) for name, tensor in module.state_dict().items()}
    again = onnx_graph(module, residual.description)
    assert again.SerializeToString() == residual_graph.SerializeToString()
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert module.training
    assert all(
        torch.equal(tensor, before[name][0]) and tensor.stride() == before[name][1]
        for name, tensor in module.state_dict().items()
    )


def test_batch_normalisation_and_pooling_over_the_image_give_simple_operators(residual_graph: onnx.ModelProto) -> None:
    operators = [node.op_type for node in residual_graph.graph.node]
    assert operators == [
        *("Cast", "Mul", "Sub", "Conv", "Relu", "Conv", "Add", "BatchNormalization", "Relu", "MaxPool"),
        *("ReduceMean", "Reshape", "Gemm", "LogSoftmax"),
    ]


def test_a_network_that_depends_on_values_is_rejected(book: Classifier) -> None:
    class Choosing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :10] if images.sum() > 0 else images.flatten(1)[:, 10:20]

    with pytest.raises(ModelError, match="PyTorch cannot export the network to ONNX: ") as caught:
        onnx_graph(wrap_module(Choosing(), (0.1,), (0.3,)), book.description)
    assert "\n" not in caught.value.message
    assert "control flow" in caught.value.remedy


def test_the_graph_contains_the_normalisation(colour: Classifier, colour_graph: onnx.ModelProto) -> None:
    arrays = {array.name: onnx.numpy_helper.to_array(array) for array in colour_graph.graph.initializer}
    cast, scale, shift, *_ = colour_graph.graph.node
    assert list(cast.input) == ["images"]
    mean, std = np.array(colour.description.mean), np.array(colour.description.std)
    assert arrays[scale.input[1]].ravel() == pytest.approx(1 / (255 * std))
    assert arrays[shift.input[1]].ravel() == pytest.approx(mean / std)
