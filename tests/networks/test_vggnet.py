"""VGGNet: its function, compared with a plain one; its sizes."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from penstroke.errors import UsageError
from penstroke.networks import VGGNet, network_from_json
from penstroke.networks.layers.features import PooledStage


def test_a_stage_is_two_normalised_convolutions_with_a_max_pool() -> None:
    torch.manual_seed(0)
    stage = PooledStage(4, 6, (1, 0)).eval()
    for number in (1, 2):
        norm = stage.get_submodule(f"norm{number}")
        assert isinstance(norm, nn.BatchNorm2d)
        norm.running_mean, norm.running_var = torch.randn(6), torch.rand(6) + 0.5
        nn.init.uniform_(norm.weight, 0.5, 1.5)
    x = torch.randn(2, 4, 9, 8)
    expected = x
    for number, pool in ((1, True), (2, False)):
        expected = F.conv2d(expected, stage.get_parameter(f"conv{number}.weight"), padding=1)
        expected = F.max_pool2d(F.pad(expected, (0, 0, 1, 0), value=-torch.inf), 2) if pool else expected
        mean, variance = (stage.get_buffer(f"norm{number}.running_{name}")[:, None, None] for name in ("mean", "var"))
        scale = stage.get_parameter(f"norm{number}.weight")[:, None, None]
        expected = ((expected - mean) / (variance + 1e-5).sqrt() * scale).relu()
    assert expected.shape == (2, 6, 5, 4)
    torch.testing.assert_close(stage(x), expected)


@pytest.mark.parametrize(("side", "final"), [(4, 1), (28, 4), (32, 4), (40, 5), (41, 3), (64, 4)])
def test_each_stage_halves_the_image_and_the_first_convolution_reduces_large_ones(side: int, final: int) -> None:
    network = VGGNet(channels=(16, 16, 16, 16)).build((1, side, side), 3).eval()
    seen: list[torch.Size] = []
    network.get_submodule("features.stage3").register_forward_hook(lambda layer, given, made: seen.append(made.shape))
    log_probs = network(torch.zeros(2, 1, side, side, dtype=torch.uint8))
    assert log_probs.shape == (2, 3)
    assert seen == [torch.Size([2, 16, final, final])]


def test_invalid_sizes_are_rejected() -> None:
    with pytest.raises(UsageError, match="3x20 pixels; the network vggnet needs at least 4x4"):
        VGGNet().build((1, 3, 20))
    for channels in ((16,), (16,) * 9):
        with pytest.raises(UsageError, match=f"channels has {len(channels)} values but must have from 2 to 8"):
            VGGNet(channels=channels)


def test_json_gives_an_equal_spec() -> None:
    spec = VGGNet(channels=(16, 32), mirror=True)
    assert network_from_json(spec.to_json()) == spec
