"""PatchNet: convolutions, two linear layers, and an output layer that begins at zero."""

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.errors import UsageError
from penstroke.networks import PatchNet


class Plain(nn.Module):
    """PatchNet with its default sizes in plain PyTorch, on normalised images."""

    def __init__(self) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, 16, 7, 3)
        self.cn2 = nn.Conv2d(16, 24, 3, 1)
        self.fc1 = nn.Linear(24 * 6 * 6, 96)
        self.fc2 = nn.Linear(96, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.cn2(F.relu(self.cn1(x))))
        return F.log_softmax(self.fc2(F.relu(self.fc1(x.flatten(1)))), dim=1)


def test_it_has_the_documented_layers_and_size() -> None:
    network = PatchNet().build()
    assert [name for name, _ in network.named_children()] == [
        "normalise", "cn1", "relu1", "cn2", "relu2", "fc1", "relu3", "fc2", "log_softmax",
    ]  # fmt: skip
    expected = (7 * 7 + 1) * 16 + (16 * 9 + 1) * 24 + (24 * 36 + 1) * 96 + 97 * 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_initial_weights_are_those_of_plain_layers_except_the_output_layer() -> None:
    torch.manual_seed(5)
    plain = Plain()
    torch.manual_seed(5)
    network = PatchNet().build()
    for name in ("cn1.weight", "cn1.bias", "cn2.weight", "cn2.bias", "fc1.weight", "fc1.bias", "fc2.bias"):
        assert torch.equal(network.get_parameter(name), plain.get_parameter(name)), name
    assert not network.get_parameter("fc2.weight").any()


def test_before_training_every_image_has_the_same_output(images: Tensor) -> None:
    network = PatchNet().build()
    with torch.no_grad():
        log_probs = network(images)
        network.get_parameter("fc2.bias").zero_()
        torch.testing.assert_close(network(images), torch.full((64, 10), -math.log(10)))
    assert torch.equal(log_probs, log_probs[:1].expand(64, 10))


def test_forward_and_gradients_equal_a_plain_transcription(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(1)
    plain = Plain()
    network = PatchNet().build(mean=(0.2,), std=(0.4,))
    network.load_state_dict(plain.state_dict())
    expected, found = plain((images.float() / 255 - 0.2) / 0.4), network(images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    F.nll_loss(expected, labels).backward()
    F.nll_loss(found, labels).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        parameter.data = parameter.grad
    gradients = network.state_dict()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "image_shape", "flat"),
    [
        (PatchNet(channels=(5,), kernel_sizes=(4,), strides=(4,)), (1, 28, 28), 5 * 7 * 7),
        (PatchNet(channels=(4, 6, 8), kernel_sizes=(5, 3, 3), strides=(2, 1, 2)), (3, 32, 20), 8 * 5 * 2),
    ],
)
def test_any_number_of_convolutions_is_possible(spec: PatchNet, image_shape: tuple[int, int, int], flat: int) -> None:
    network = spec.build(image_shape, 4)
    assert network.get_submodule("fc1").in_features == flat
    assert network(torch.zeros(2, *image_shape, dtype=torch.uint8)).shape == (2, 4)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network) == len(spec.channels)


def test_images_that_are_too_small_are_rejected_with_the_reason() -> None:
    with pytest.raises(UsageError, match="Convolution 2 gets 1x1 pixels, fewer than its 3x3 kernel"):
        PatchNet().build((1, 8, 8))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"channels": (4,)}, "have 1, 2 and 2 values"),
        ({"channels": (), "kernel_sizes": (), "strides": ()}, "from 1 to 16"),
        ({"channels": (4,) * 17, "kernel_sizes": (1,) * 17, "strides": (1,) * 17}, "from 1 to 16"),
        ({"strides": (0, 1)}, r"strides is \(0, 1\) but must be one or more whole numbers from 1 to 65536"),
    ],
)
def test_lists_of_other_lengths_are_rejected(fields: dict[str, tuple[int, ...]], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        PatchNet(**fields)  # type: ignore[arg-type]


def test_padding_keeps_the_size_and_norm_replaces_the_biases(images: Tensor) -> None:
    spec = PatchNet(channels=(4, 4, 6), kernel_sizes=(5, 3, 3), strides=(2, 1, 2), hidden=8, padding=True, norm=True)
    network = spec.build()
    names = [name for name, _ in network.named_children()]
    assert names[1:4] == ["cn1", "norm1", "relu1"]
    sizes = {}
    for name in ("relu1", "relu2", "relu3"):
        network.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: sizes.update({name: out.shape}))
    assert network(images).shape == (64, 10)
    assert [tuple(sizes[name][2:]) for name in sizes] == [(14, 14), (14, 14), (7, 7)]
    assert not any("cn" in name and "bias" in name for name, _ in network.named_parameters())
    hidden = sizes["relu2"]
    assert hidden[1] == 4


def test_without_a_hidden_layer_the_output_is_linear_in_the_mean_over_pixels(images: Tensor) -> None:
    network = PatchNet(channels=(4, 6), kernel_sizes=(5, 3), strides=(2, 1), hidden=0, padding=True).build().eval()
    nn.init.normal_(network.get_parameter("fc2.weight"))
    maps: list[Tensor] = []
    network.get_submodule("relu2").register_forward_hook(lambda _, __, out: maps.append(out))
    with torch.no_grad():
        found = network(images)
        expected = F.log_softmax(network.get_submodule("fc2")(maps[0].mean((2, 3))), 1)
    assert maps[0].shape == (64, 6, 14, 14)
    torch.testing.assert_close(found, expected)


def test_padding_of_small_images_is_counted() -> None:
    spec = PatchNet(channels=(2, 2, 2), kernel_sizes=(3, 3, 3), strides=(2, 2, 2), hidden=4)
    with pytest.raises(UsageError, match="Convolution 3 gets 1x1 pixels"):
        spec.build((1, 8, 8))
    assert dataclasses.replace(spec, padding=True).build((1, 8, 8))(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
