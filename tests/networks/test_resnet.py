"""ResNet: its function, compared with a plain one; its sizes; the mean over the mirror image."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from penstroke.errors import UsageError
from penstroke.networks import ResNet, network_from_json
from penstroke.networks.features import first_stride
from penstroke.networks.layers.features import ResidualBlock


def photographs(count: int = 6, height: int = 32, width: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator, dtype=torch.uint8)


def test_a_block_is_two_convolutions_added_to_a_shortcut() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, 6, 2).eval()
    for norm in (block.norm1, block.norm2):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias)
        norm.running_mean = torch.randn(6)
    x = torch.randn(2, 4, 9, 8)

    def normalised(value: torch.Tensor, norm: nn.BatchNorm2d) -> torch.Tensor:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        centred = (value - norm.running_mean[:, None, None]) / (norm.running_var + 1e-5).sqrt()[:, None, None]
        return centred * norm.weight[:, None, None] + norm.bias[:, None, None]

    hidden = normalised(F.conv2d(x, block.conv1.weight, stride=2, padding=1), block.norm1).relu()
    body = normalised(F.conv2d(hidden, block.conv2.weight, padding=1), block.norm2)
    short = F.conv2d(x[:, :, ::2, ::2], block.shortcut.get_parameter("0.weight")) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(x), (body + short).relu())


def test_a_new_block_is_its_shortcut() -> None:
    block = ResidualBlock(5, 5)
    x = torch.randn(3, 5, 7, 7)
    torch.testing.assert_close(block(x), x.relu())


def test_a_new_network_gives_all_images_the_same_probabilities() -> None:
    log_probs = ResNet().build((3, 32, 32), 4).eval()(photographs())
    torch.testing.assert_close(log_probs, log_probs[:1].expand(6, 4))


def trained_randomly(spec: ResNet) -> nn.Module:
    """Return a network whose output depends on every layer."""
    torch.manual_seed(1)
    network = spec.build((3, 32, 24), 5).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    return network


def test_a_mirrored_image_has_the_same_probabilities_with_mirror() -> None:
    images = photographs(4, 32, 24)
    spec = ResNet(channels=(8, 16), blocks=(0, 1), mirror=True)
    network = trained_randomly(spec)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(images.flip(3)))
        plain = trained_randomly(ResNet(channels=(8, 16), blocks=(0, 1)))
        assert (plain(images) - plain(images.flip(3))).abs().max() > 0.01
        features = plain.get_submodule("features")
        normalised = plain.get_submodule("normalise")(images)
        mean = (features(normalised) + features(normalised.flip(3))) / 2
        torch.testing.assert_close(network(images), plain.get_submodule("fc")(mean).log_softmax(1))
        network.train()
        assert (network(images) - network(images.flip(3))).abs().max() > 0.01, "in evaluation only"


@pytest.mark.parametrize(
    ("side", "stride", "final"), [(4, 1, 1), (28, 1, 4), (32, 1, 4), (40, 1, 5), (41, 2, 3), (64, 2, 4), (256, 8, 4)]
)
def test_large_images_are_reduced_by_the_first_convolution(side: int, stride: int, final: int) -> None:
    assert first_stride(side, side) == first_stride(side // 2, side) == stride
    network = ResNet(channels=(8, 8, 8, 8)).build((1, side, side), 3).eval()
    seen: list[torch.Size] = []
    network.get_submodule("features.block4_1").register_forward_hook(lambda layer, given, made: seen.append(made.shape))
    assert network(torch.zeros(2, 1, side, side, dtype=torch.uint8)).shape == (2, 3)
    assert seen == [torch.Size([2, 8, final, final])]


def test_images_that_are_too_small_are_rejected() -> None:
    with pytest.raises(UsageError, match="3x20 pixels; the network resnet needs at least 4x4"):
        ResNet().build((1, 3, 20))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"channels": (8, 16)}, "channels and blocks have 2 and 4 values"),
        ({"channels": (8, 16), "blocks": (1, 0)}, "every stage except the first must have a block"),
        ({"channels": (8,), "blocks": (0,)}, "the network must have a block"),
        ({"channels": (), "blocks": ()}, "0 and 0 values"),
    ],
)
def test_invalid_sizes_are_rejected(arguments: dict[str, tuple[int, ...]], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        ResNet(**arguments)  # type: ignore[arg-type]


def test_json_gives_an_equal_spec() -> None:
    for spec in (ResNet(), ResNet(channels=(8, 16), blocks=(2, 1), mirror=True)):
        assert network_from_json(spec.to_json()) == spec


def test_a_grey_network_sees_the_mean_of_the_channels() -> None:
    network = trained_randomly(ResNet(channels=(8, 16), blocks=(0, 1), grey=True))
    assert network.get_parameter("features.conv.weight").shape[1] == 1
    images = photographs(4, 32, 24)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(images[:, [1, 2, 0]]))
        assert (network(images) - network(255 - images)).abs().max() > 0.01
