"""Fixtures: small classifiers that are exported, and their graphs. Their weights are random unless stated."""

import hashlib
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from penstroke import Classifier, PatchNet
from penstroke.data import Dataset
from penstroke.export.graph import onnx_graph
from penstroke.inference.backends.torch import TorchBackend
from penstroke.models.description import Calibration, Description
from penstroke.networks import NetworkSpec
from penstroke.networks.layers import wrap_module
from penstroke.networks.spec import UnregisteredNetwork
from penstroke.runs import Run

GraphMaker = Callable[[nn.Module, Description], onnx.ModelProto]


class Residual(nn.Module):
    """A network of one's own: batch normalisation, padding, a residual block, pooling over the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.norm_of_sum = nn.BatchNorm2d(8)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(8, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        first = torch.relu(self.norm(self.first(images)))
        block = torch.relu(self.norm_of_sum(first + self.second(first)))
        logits: Tensor = self.last(self.drop(self.mean(self.pool(block)).flatten(1)))
        return logits


@pytest.fixture(scope="session")
def book(sample_run: Run) -> Classifier:
    """Return a trained classifier of digits of 28x28 pixels."""
    return Classifier.load(sample_run.path)


@pytest.fixture(scope="session")
def colour_data() -> Dataset:
    """Return noisy pictures of 20x24 pixels in four colours: 600 training and 101 test images."""
    rng = np.random.default_rng(0)

    def pictures(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 4, count)
        colours = np.array([[200, 50, 50], [50, 200, 50], [50, 50, 200], [150, 150, 150]])[labels]
        noise = rng.integers(-50, 50, (count, 3, 20, 24))
        return (colours[:, :, None, None] + noise).astype(np.uint8), labels

    return Dataset.from_arrays(*pictures(600), test=pictures(101), classes=("red", "green", "blue", "grey"))


def description_of(data: Dataset, network: NetworkSpec) -> Description:
    """Return the description of a calibrated model of colour pictures."""
    return Description(
        network=network,
        image_shape=(3, 20, 24),
        classes=data.train.classes,
        mean=(0.4, 0.5, 0.6),
        std=(0.2, 0.3, 0.25),
        preprocessing="letterbox",
        calibration=Calibration(threshold=0.5, images=100, rejected=1, wrong=1),
    )


@pytest.fixture(scope="session")
def colour(colour_data: Dataset) -> Classifier:
    """Return a calibrated classifier of colour pictures of 20x24 pixels."""
    spec = PatchNet(channels=(8, 16), kernel_sizes=(5, 3), strides=(2, 2), hidden=16)
    description = description_of(colour_data, spec)
    torch.manual_seed(0)
    network = spec.build((3, 20, 24), 4, description.mean, description.std)
    nn.init.normal_(network.fc2.weight)  # type: ignore[union-attr, arg-type]
    return Classifier.from_module(network.with_temperature(1.7), description, source="runs/colour")


@pytest.fixture(scope="session")
def residual(colour_data: Dataset) -> Classifier:
    """Return a classifier of a network of one's own, in training mode."""
    torch.manual_seed(1)
    network = Residual()
    for layer in (network.norm, network.norm_of_sum):
        for tensor in (layer.weight, layer.bias, layer.running_mean):
            nn.init.normal_(tensor)  # type: ignore[arg-type]
        nn.init.uniform_(layer.running_var, 0.5, 2)  # type: ignore[arg-type]
    description = description_of(colour_data, UnregisteredNetwork())
    module = wrap_module(network, description.mean, description.std).train()
    return Classifier.from_module(module, description)


@pytest.fixture(scope="session")
def make_graph() -> GraphMaker:
    """Return ``onnx_graph`` with a cache: it takes a second, and equal networks give equal graphs."""
    graphs: dict[str, bytes] = {}

    def make(module: nn.Module, description: Description) -> onnx.ModelProto:
        weights = b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())
        key = f"{module}{hashlib.sha256(weights).hexdigest()}"
        if key not in graphs:
            graphs[key] = onnx_graph(module, description).SerializeToString()
        return onnx.load_from_string(graphs[key])

    return make


def graph_of(classifier: Classifier, make_graph: GraphMaker) -> onnx.ModelProto:
    assert isinstance(classifier.backend, TorchBackend)
    return make_graph(classifier.backend.module, classifier.description)


@pytest.fixture
def book_graph(book: Classifier, make_graph: GraphMaker) -> onnx.ModelProto:
    """Return the graph of ``book``."""
    return graph_of(book, make_graph)


@pytest.fixture
def colour_graph(colour: Classifier, make_graph: GraphMaker) -> onnx.ModelProto:
    """Return the graph of ``colour``."""
    return graph_of(colour, make_graph)


@pytest.fixture
def residual_graph(residual: Classifier, make_graph: GraphMaker) -> onnx.ModelProto:
    """Return the graph of ``residual``."""
    return graph_of(residual, make_graph)
