"""Residual networks that average over the image and its mirror image, in all formats that compute a program."""

import numpy as np
import onnx
import pytest
import torch
from support.node import WebModel, run_node
from torch import Tensor, nn

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.export.graph import onnx_graph
from penstroke.export.npz import npz_bytes
from penstroke.export.precision import quantise, round_model
from penstroke.export.program import program_of
from penstroke.export.runtimes import open_npz, open_onnx, open_web
from penstroke.export.web import web_page
from penstroke.models.description import Description
from penstroke.networks.layers import wrap_module


class Block(nn.Module):
    """A residual block: convolutions with batch normalisation, beside a projection."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.projection = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        inner = self.second_norm(self.second(torch.relu(self.norm(self.first(images)))))
        return torch.relu(inner + self.projection(images))


class Mirrored(nn.Module):
    """Averages log-probabilities over the image and its mirror image: in one batch, or one after the other."""

    def __init__(self, together: bool) -> None:
        super().__init__()
        self.together = together
        self.blocks = nn.Sequential(Block(3, 6, 1), Block(6, 8, 2))
        self.last = nn.Linear(8, 4)

    def once(self, images: Tensor) -> Tensor:
        return torch.log_softmax(self.last(self.blocks(images).mean((2, 3))), 1)

    def forward(self, images: Tensor) -> Tensor:
        if self.together:
            return self.once(torch.cat([images, images.flip(3)])).unflatten(0, (2, -1)).mean(0)
        return torch.stack([self.once(images), self.once(images.flip(-1))]).mean(0)


Case = tuple[nn.Module, Description, onnx.ModelProto]


@pytest.fixture(scope="module", params=[True, False], ids=["together", "stacked"])
def case(request: pytest.FixtureRequest, residual: Classifier) -> Case:
    """Return a network with random statistics, its description and its graph."""
    torch.manual_seed(3)
    network = Mirrored(request.param)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(tensor)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
    description = residual.description
    module = wrap_module(network, description.mean, description.std).eval()
    return module, description, onnx_graph(module, description)


def expected(case: Case, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return np.asarray(case[0](torch.from_numpy(images)))


def test_numpy_and_onnxruntime_compute_it(case: Case, colour_data: Dataset) -> None:
    _, description, graph = case
    images = colour_data.test.images[:20]
    # The answer does not change if the images are mirrored.
    np.testing.assert_allclose(expected(case, images), expected(case, images[..., ::-1].copy()), atol=1e-5)
    runtimes = {
        "npz": open_npz(npz_bytes(program_of(graph), description)),
        "onnx": open_onnx(graph.SerializeToString(), description),
    }
    for name, runtime in runtimes.items():
        for count in (1, 7, 20):
            found = runtime(images[:count])
            np.testing.assert_allclose(found, expected(case, images[:count]), atol=1e-4, err_msg=name)


def test_the_page_computes_it(case: Case, colour_data: Dataset) -> None:
    _, description, graph = case
    program = program_of(graph)
    images = colour_data.test.images[:7]
    page = web_page(program, description.to_json() | {"source": "x"}, single_file=True)
    rounded = open_web(page)(images)
    assert np.abs(np.exp(rounded) - np.exp(expected(case, images))).max() < 0.05
    model = WebModel(program.to_json(), round_model(program.arrays), description.to_json())
    code = "return (await createRuntime().load(values.model)).run(values.images, 7);"
    found = run_node(code, {"model": model.to_json(), "images": images})
    np.testing.assert_allclose(np.reshape(found, rounded.shape), rounded, atol=1e-4)
    steps = run_node(
        "return (await createRuntime().load(values.model)).trace(values.image).map(({ op, shape }) => [op, shape]);",
        {"model": model.to_json(), "image": images[:1]},
    )
    assert [op for op, _ in steps] == [step["op"] for step in program.steps]


def test_batch_normalisation_is_merged_if_the_network_is_called_once(case: Case) -> None:
    operators = {node.op_type for node in case[2].graph.node}
    assert {"Slice", "Concat", "ReduceMean"} <= operators
    assert ("BatchNormalization" not in operators) == case[0].network.together  # type: ignore[union-attr]


def test_int8_computes_it(case: Case, colour_data: Dataset) -> None:
    _, description, graph = case
    images = colour_data.test.images
    found = open_onnx(quantise(graph, colour_data.train.images).SerializeToString(), description)(images)
    assert np.abs(np.exp(found) - np.exp(expected(case, images))).mean() < 0.05
