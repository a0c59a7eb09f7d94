"""Network specs are registered, typed values: they round-trip through JSON; all errors are reported at once."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from penstroke import networks
from penstroke.errors import UsageError
from penstroke.networks import NETWORKS, ConvNet, NetworkSpec, PatchNet, network_from_json, register


@pytest.mark.parametrize("spec", [ConvNet(), PatchNet(), ConvNet(channels=(3, 5), dropout=(0, 0.5))])
def test_specs_round_trip_through_json(spec: NetworkSpec) -> None:
    assert network_from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_lists_are_accepted_for_tuples_and_ints_for_floats() -> None:
    assert ConvNet(channels=[3, 5], dropout=[0, 0]) == ConvNet(channels=(3, 5), dropout=(0.0, 0.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"hidden": 0}, "hidden is 0 but must be a whole number from 1 to 65536"),
        ({"hidden": True}, "hidden is True but"),
        ({"hidden": 64.0}, "hidden is 64.0 but"),
        ({"hidden": "64"}, "hidden is '64' but"),
        ({"channels": (16,)}, r"channels is \(16,\) but must be 2 whole numbers from 1 to 65536"),
        ({"dropout": (0.1, 1.0)}, r"dropout is \(0.1, 1.0\) but must be 2 numbers, each at least 0 and below 1"),
        ({"dropout": (float("nan"), 0.1)}, "dropout is"),
        ({"dropout": (True, 0.1)}, "dropout is"),
        ({"hiden": 3}, r"hiden is not a field \(did you mean 'hidden'\?\)"),
    ],
)
def test_an_invalid_field_is_reported_with_its_value_and_rule(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        ConvNet(**fields)  # type: ignore[arg-type]


def test_all_invalid_fields_are_reported_at_once_each_time() -> None:
    for _ in range(2):  # the second time, the validator is built already
        with pytest.raises(UsageError) as caught:
            ConvNet(hidden=0, dropout=(0.1, 1.0), channels=(0, 1))
        for part in ("hidden is 0", "dropout is (0.1, 1.0)", "channels is (0, 1)"):
            assert part in caught.value.message


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (None, "a JSON object with a `kind`"),
        ({}, "a JSON object with a `kind`"),
        ({"kind": 3}, "a JSON object with a `kind`"),
        ({"kind": "convnett"}, "Did you mean 'convnet'"),
        ({"kind": "convnet", "width": 3, "hidden": 0}, "hidden is 0"),
        ({"kind": "patchnet", "dropout": [0.1, 0.2]}, "dropout is not a field"),
    ],
)
def test_json_that_is_not_a_network_is_rejected(values: object, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        network_from_json(values)


def test_mean_and_std_fit_the_channels() -> None:
    network = ConvNet().build((3, 28, 28), 10, (0.1,), (0.2, 0.3, 0.4))
    assert torch.equal(network.get_buffer("normalise.mean"), torch.tensor([0.1, 0.1, 0.1]))
    assert torch.equal(network.get_buffer("normalise.std"), torch.tensor([0.2, 0.3, 0.4]))
    with pytest.raises(UsageError, match=r"mean has 2 values, and the images have 1 channel\."):
        ConvNet().build((1, 28, 28), 10, mean=(0.1, 0.2), std=(0.3,))
    with pytest.raises(UsageError, match="mean has 2 values, and the images have 3 channels"):
        ConvNet().build((3, 28, 28), 10, (0.1, 0.2), (0.3,))


@pytest.fixture
def linear() -> Iterator[type[NetworkSpec]]:
    """Register a network as a new file would, and remove it afterwards."""

    @register("linear", head=("out",))
    class LinearNet(NetworkSpec):
        scale: int = 1

        def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, nn.Module]]:
            yield "flat", nn.Flatten()
            yield "out", nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], classes)
            yield "log_softmax", nn.LogSoftmax(dim=1)

    yield LinearNet
    del NETWORKS["linear"]


def test_one_class_adds_a_network(linear: type[NetworkSpec]) -> None:
    spec = network_from_json({"kind": "linear", "scale": 2})
    assert (spec.kind, spec.head, type(spec)) == ("linear", ("out",), linear)
    assert spec.build((1, 4, 4), 3)(torch.zeros(2, 1, 4, 4)).shape == (2, 3)
    with pytest.raises(ValueError, match="'linear' is registered already"):
        register("linear", head=("out",))(type("Other", (NetworkSpec,), {}))
    names = {"__module__": linear.__module__, "__qualname__": linear.__qualname__, "layers": linear.layers}
    again: type[NetworkSpec] = register("linear", head=())(
        type("LinearNet", (NetworkSpec,), names)
    )  # a cell of a notebook is run again
    assert type(network_from_json({"kind": "linear"})) is again


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_the_head_names_layers_of_the_network(kind: str) -> None:
    spec = NETWORKS[kind]()
    children = dict(spec.build().named_children())
    assert spec.head
    assert all(any(True for _ in children[name].parameters()) for name in spec.head)


def test_importing_networks_imports_neither_torch_nor_numpy() -> None:
    program = f"import sys, {networks.__name__}; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
