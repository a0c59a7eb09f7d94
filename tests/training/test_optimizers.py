"""Optimizers, compared with those of ``torch.optim``."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from support.small import head
from torch import nn

from penstroke import recipes
from penstroke.data import Dataset
from penstroke.errors import UsageError
from penstroke.networks import NETWORKS, ConvNet, NetworkSpec, ResNet
from penstroke.networks.layers import Network, wrap_module
from penstroke.recipes import parts
from penstroke.training import train_step
from penstroke.training.optimizers import (
    SGD,
    Adadelta,
    Adam,
    AdamW,
    FlatWeights,
    Muon,
    Optimizer,
    RMSprop,
    build_optimizers,
    last_layer,
)
from penstroke.training.optimizers.muon import orthogonalise, orthogonalise_by_gram

Parameters = list[nn.Parameter]


def stepped(
    ours: Callable[[Parameters], Optimizer], theirs: Callable[[Parameters], torch.optim.Optimizer], steps: int = 50
) -> tuple[Parameters, Parameters]:
    """Return two sets of equal parameters after the same steps, with a learning rate that changes."""
    torch.manual_seed(0)
    first = [nn.Parameter(torch.randn(7, 5)), nn.Parameter(torch.randn(50))]
    second = [nn.Parameter(weight.detach().clone()) for weight in first]
    own, reference = ours(first), theirs(second)
    rate = reference.param_groups[0]["lr"]
    for step in range(steps):
        for one, other in zip(first, second, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        factor = 1 - step / steps
        reference.param_groups[0]["lr"] = rate * factor
        own.step(factor)
        reference.step()
    return first, second


@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_adadelta_equals_pytorchs_to_rounding(weight_decay: float) -> None:
    first, second = stepped(
        lambda weights: Adadelta(weights, 0.5, weight_decay),
        lambda weights: torch.optim.Adadelta(weights, 0.5, weight_decay=weight_decay),
        200,
    )
    for ours, theirs in zip(first, second, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


EXACT: dict[str, tuple[Callable[[Parameters], Optimizer], Callable[[Parameters], torch.optim.Optimizer]]] = {
    "adam": (
        lambda weights: Adam(weights, 0.002, 0.01),
        lambda weights: torch.optim.Adam(weights, 0.002, weight_decay=0.01, fused=True),
    ),
    "adam of the head": (
        lambda weights: Adam(weights, 0.005, betas=(0.7, 0.9)),
        lambda weights: torch.optim.Adam(weights, 0.005, (0.7, 0.9), fused=True),
    ),
    "adamw": (
        lambda weights: AdamW(weights, 0.002, 0.1),
        lambda weights: torch.optim.AdamW(weights, 0.002, weight_decay=0.1, fused=True),
    ),
    "rmsprop": (
        lambda weights: RMSprop(weights, 0.002, weight_decay=0.01),
        lambda weights: torch.optim.RMSprop(weights, 0.002, weight_decay=0.01),
    ),
    "rmsprop with momentum": (
        lambda weights: RMSprop(weights, 0.002, 0.5),
        lambda weights: torch.optim.RMSprop(weights, 0.002, momentum=0.5),
    ),
    "sgd": (
        lambda weights: SGD(weights, 0.05),
        lambda weights: torch.optim.SGD(weights, 0.05, fused=True),
    ),
    "sgd with momentum": (
        lambda weights: SGD(weights, 0.05, 0.9, 0.01),
        lambda weights: torch.optim.SGD(weights, 0.05, 0.9, weight_decay=0.01, fused=True),
    ),
    "sgd with Nesterov momentum": (
        lambda weights: SGD(weights, 0.05, 0.9, 0.01, nesterov=True),
        lambda weights: torch.optim.SGD(weights, 0.05, 0.9, weight_decay=0.01, nesterov=True, fused=True),
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_other_optimizers_equal_pytorchs_bit_for_bit(name: str) -> None:
    for ours, theirs in zip(*stepped(*EXACT[name]), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", recipes.OPTIMIZERS)
def test_every_optimizer_reduces_the_loss(name: str, sample: Dataset) -> None:
    torch.manual_seed(0)
    network = ConvNet(dropout=(0.0, 0.0)).build()
    lr = {"adadelta": 0.5, "sgd": 0.05, "muon": 0.05}.get(name, 0.002)
    optimizers = build_optimizers(parts.OPTIMIZERS[name](lr=lr), network, ConvNet.head)
    batch = head(sample.train, 64)
    images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
    losses = [train_step(network, optimizers, images, labels).item() for _ in range(30)]
    assert losses[-1] < losses[0] / 1.5


def test_joined_weights_train_as_separate_ones_do(sample: Dataset) -> None:
    batch = head(sample.train, 64)
    images, labels = torch.from_numpy(batch.images), torch.from_numpy(batch.labels)
    trained = []
    for flat in (False, True):
        torch.manual_seed(0)
        network = ConvNet(dropout=(0.0, 0.0)).build()
        weights = FlatWeights(network.parameters()) if flat else network.parameters()
        optimizer = Adadelta(weights, 0.5)
        assert len(optimizer.weights) == (2 if flat else 8)
        for _ in range(3):
            train_step(network, [optimizer], images, labels)
        trained.append(network.state_dict())
    for name, expected in trained[0].items():
        assert torch.equal(trained[1][name], expected)


def test_joined_weights_of_other_dtypes_and_without_gradients() -> None:
    first = nn.Linear(3, 2)
    module = nn.ModuleList([first, nn.Linear(2, 2).double(), nn.Linear(2, 1)])
    before = [weight.detach().clone() for weight in module.parameters()]
    optimizer = SGD(FlatWeights(module.parameters()), 0.1)
    first(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    after = list(module.parameters())
    assert [weight.dtype for weight in after] == [weight.dtype for weight in before]
    changed = [not torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert changed == [True, True, False, False, False, False], "a weight without gradient does not change"


def names_of(optimizers: list[Optimizer], network: nn.Module) -> list[set[str]]:
    names = {id(weight): name for name, weight in network.named_parameters()}
    return [{names[id(weight)] for weight in optimizer.weights} for optimizer in optimizers]


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_muon_trains_the_matrices_outside_the_head(kind: str) -> None:
    spec: NetworkSpec = NETWORKS[kind]()
    network = spec.build()
    muon, adam = build_optimizers(parts.Muon(lr=0.1, head_lr=0.01), network, spec.head)
    assert isinstance(muon, Muon)
    assert isinstance(adam, Adam)
    assert (muon.lr, adam.lr) == (0.1, 0.01)
    inner, rest = names_of([muon, adam], network)
    matrices = {name for name, weight in network.named_parameters() if weight.ndim > 1}
    heads = {f"{layer}.{part}" for layer in spec.head for part in ("weight", "bias")}
    assert inner == matrices - heads
    assert "cn1.weight" in inner or "features.conv.weight" in inner
    assert inner | rest == {name for name, _ in network.named_parameters()}
    assert not inner & rest


def test_rescaled_weights_have_norm_sqrt_rows_before_each_step() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(7 * torch.randn(6, 4, 3, 3))
    direction = weight.detach() / weight.detach().norm()
    plain = nn.Parameter(6**0.5 * direction)
    for parameter in (weight, plain):
        parameter.grad = torch.ones_like(parameter)
    Muon([weight], 0.1, 0.6, rescale=True).step(0.5)
    Muon([plain], 0.1, 0.6).step(0.5)
    torch.testing.assert_close(weight, plain)


def test_biases_and_norms_are_without_weight_decay() -> None:
    network = ResNet(channels=(8, 16), blocks=(0, 1)).build((3, 8, 8), 3)
    spec = parts.SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01, decay_biases=False)
    optimizers = build_optimizers(spec, network, ResNet.head)
    decays = [optimizer.weight_decay for optimizer in optimizers if isinstance(optimizer, SGD)]
    assert decays == [0.01, 0.0]
    before = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    for optimizer in optimizers:
        optimizer.step()  # without gradients, weight decay alone changes weights
    for name, weight in network.named_parameters():
        decayed = weight.ndim > 1 and name != "fc.weight"  # the last layer starts at zero
        assert torch.equal(weight, before[name]) != decayed, name
    with pytest.raises(UsageError, match="nesterov is True but momentum is 0"):
        parts.SGD(nesterov=True)


def test_the_head_is_found_by_name_and_not_by_position() -> None:
    class HeadFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out, self.body = nn.Linear(8, 10), nn.Linear(784, 8)

    network = HeadFirst()
    groups = names_of(build_optimizers(parts.Muon(), network, ("out",)), network)
    assert groups == [{"body.weight"}, {"out.weight", "out.bias", "body.bias"}]


def test_the_head_of_another_module_is_its_last_layer_with_parameters() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.ReLU(), nn.Linear(8, 10), nn.LogSoftmax(1))
    network = wrap_module(module, (0.1,), (0.3,))
    assert isinstance(network, Network)
    assert last_layer(network) == "network.3"
    groups = names_of(build_optimizers(parts.Muon(), network, (last_layer(network),)), network)
    assert groups == [{"network.1.weight"}, {"network.1.bias", "network.3.weight", "network.3.bias"}]


def test_frozen_parameters_are_not_trained() -> None:
    network = ConvNet().build()
    frozen = network.get_parameter("fc1.weight").requires_grad_(False)
    (optimizer,) = build_optimizers(parts.Adam(), network, ConvNet.head)
    assert sum(weight.numel() for weight in optimizer.weights) == 300_426 - frozen.numel()


@pytest.mark.parametrize("shape", [(16, 9), (9, 16), (12, 12)])
def test_orthogonalised_matrices_are_nearly_orthogonal(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalise(torch.randn(*shape), iterations=5))
    assert values.min() > 0.6
    assert values.max() < 1.3


@pytest.mark.parametrize("shape", [(16, 200), (200, 16), (12, 12)])
def test_both_ways_to_orthogonalise_differ_by_rounding(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    for matrix in (torch.randn(*shape), 1e-6 * torch.randn(*shape), torch.zeros(*shape)):
        torch.testing.assert_close(orthogonalise_by_gram(matrix), orthogonalise(matrix), rtol=1e-4, atol=1e-5)


def test_training_does_not_import_pytorchs_compiler() -> None:
    code = """
import sys, torch
from penstroke.recipes import parts
from penstroke.networks import ConvNet
from penstroke.training import train_step
from penstroke.training.optimizers import build_optimizers
for spec in parts.OPTIMIZERS.values():
    network = ConvNet().build()
    optimizers = build_optimizers(spec(), network, ConvNet.head)
    train_step(network, optimizers, torch.zeros(2, 1, 28, 28), torch.tensor([1, 2]))
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
