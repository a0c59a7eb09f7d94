"""Fixtures of the tests of models."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from penstroke.models import Description, save_model
from penstroke.networks import NETWORKS, ConvNet, NetworkSpec, register


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Return 40 grey images of 28x28 random pixels."""
    return torch.randint(0, 256, (40, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="session")
def describe() -> Callable[..., Description]:
    """Return a function that makes the description of a small network, with changes."""

    def description(**changes: object) -> Description:
        values: dict[str, object] = {
            "network": ConvNet(channels=(4, 6), hidden=9, kernel_sizes=(5, 3)),
            "image_shape": (1, 28, 28),
            "classes": tuple("0123456789"),
            "mean": (0.1302,),
            "std": (0.3069,),
            "trained": {"epochs": 2},
            "test": {"accuracy": 0.5},
        }
        return Description(**(values | changes))  # type: ignore[arg-type]

    return description


@pytest.fixture(scope="session")
def saved_bytes(tmp_path_factory: pytest.TempPathFactory, describe: Callable[..., Description]) -> bytes:
    """Return the content of a valid model file."""
    path, description = tmp_path_factory.mktemp("model") / "model.safetensors", describe()
    save_model(path, description.network.build(mean=description.mean, std=description.std), description)
    return path.read_bytes()


@pytest.fixture
def saved(tmp_path: Path, saved_bytes: bytes) -> Path:
    """Return a valid model file."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(saved_bytes)
    return path


@pytest.fixture
def toy() -> Iterator[type[NetworkSpec]]:
    """Register a network with batch normalisation, whose state has an int64 counter; remove it afterwards."""

    @register("toy", head=("out",))
    class Toy(NetworkSpec):
        def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, nn.Module]]:
            yield "norm", nn.BatchNorm2d(image_shape[0])
            yield "flat", nn.Flatten()
            yield "out", nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], classes)
            yield "log_softmax", nn.LogSoftmax(dim=1)

    yield Toy
    del NETWORKS["toy"]
