"""Parameters and operations of networks agree with counts by hand."""

import pytest
import torch

from penstroke.experiments.costs import network_cost
from penstroke.networks import ConvNet, PatchNet

SHAPE = (1, 28, 28)


def test_the_network_of_the_chapter() -> None:
    cost = network_cost(ConvNet(), SHAPE, 10)
    first, second, third, fourth = 26 * 26 * 9 * 16, 24 * 24 * 9 * 16 * 32, 4608 * 64, 64 * 10
    assert cost.parameters == 300_426
    assert cost.forward_flops == 2 * (first + second + third + fourth)
    # The gradient of each layer costs two more products; that of the images is not needed.
    assert cost.training_flops == 3 * cost.forward_flops - 2 * first


def test_two_small_kernels_cost_less_than_one_large_one() -> None:
    two = network_cost(PatchNet(channels=(8, 8), kernel_sizes=(3, 3), strides=(1, 1)), SHAPE, 10)
    one = network_cost(PatchNet(channels=(8,), kernel_sizes=(5,), strides=(1,)), SHAPE, 10)
    assert two.parameters - one.parameters == (8 * 9 + 8 + 8 * 8 * 9 + 8) - (8 * 25 + 8)


@pytest.mark.parametrize(("pool", "share"), [("stride", 0.25), ("none", 1.0)])
def test_a_stride_instead_of_a_pool_saves_three_quarters_of_the_convolution(pool: str, share: float) -> None:
    second = 2 * 24 * 24 * 9 * 16 * 32
    pooled, other = (network_cost(ConvNet(pool=kind), SHAPE, 10) for kind in ("max", pool))  # type: ignore[arg-type]
    linear = 2 * 64 * (32 * 24 * 24 - 4608) if pool == "none" else 0
    assert other.forward_flops - pooled.forward_flops == round((share - 1) * second) + linear


def test_counting_does_not_change_the_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    network_cost(ConvNet(hidden=17), SHAPE, 10)
    assert torch.equal(torch.rand(1), expected)
