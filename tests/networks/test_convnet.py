"""ConvNet is the network of the chapter, with the same sizes, and rejects images that are too small."""

import pytest
import torch
from support.textbook import Transcription
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.errors import UsageError
from penstroke.networks import ConvNet, network_from_json


def test_it_has_the_size_and_the_names_of_the_chapter() -> None:
    network = ConvNet().build()
    assert sum(parameter.numel() for parameter in network.parameters()) == 300_426
    names = {f"{layer}.{part}" for layer in ("cn1", "cn2", "fc1", "fc2") for part in ("weight", "bias")}
    assert {name for name, _ in network.named_parameters()} == names
    assert set(network.state_dict()) == names | {"normalise.mean", "normalise.std"}
    first, second = network.get_submodule("dp1"), network.get_submodule("dp2")
    assert isinstance(first, nn.Dropout2d)
    assert isinstance(second, nn.Dropout)
    assert (first.p, second.p) == (0.10, 0.25)


def test_its_layers_have_the_documented_order() -> None:
    assert [name for name, _ in ConvNet().build().named_children()] == [
        "normalise", "cn1", "relu1", "cn2", "relu2", "dp1", "fc1", "relu3", "dp2", "fc2", "log_softmax",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 7])
def test_initial_weights_are_those_of_plain_layers_with_the_same_seed(seed: int) -> None:
    torch.manual_seed(seed)
    plain = Transcription(dropout=True)
    torch.manual_seed(seed)
    network = ConvNet().build()
    for name, parameter in plain.named_parameters():
        assert torch.equal(network.get_parameter(name), parameter), name


def test_forward_and_gradients_equal_a_plain_transcription(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(1)
    plain = Transcription(dropout=False)
    network = ConvNet(dropout=(0.0, 0.0)).build(mean=(0.1302,), std=(0.3069,))
    network.load_state_dict(plain.state_dict())  # strict: the names are those of the chapter
    expected = plain((images.float() / 255 - 0.1302) / 0.3069)
    found = network(images)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    F.nll_loss(expected, labels).backward()
    F.nll_loss(found, labels).backward()
    for parameter in network.parameters():
        assert parameter.grad is not None
        parameter.data = parameter.grad
    gradients = network.state_dict()  # in the weight order of the chapter
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_weights_are_saved_in_the_order_in_which_they_were_loaded() -> None:
    state = Transcription(dropout=True).state_dict()
    network = ConvNet().build()
    network.load_state_dict(state)
    saved = network.state_dict()
    assert all(torch.equal(saved[name], state[name]) for name in state)


def test_eval_mode_equals_the_transcription_with_dropout(images: Tensor) -> None:
    plain = Transcription(dropout=True).eval()
    network = ConvNet().build(mean=(0.1302,), std=(0.3069,)).eval()
    network.load_state_dict(plain.state_dict())
    with torch.no_grad():
        expected = plain((images.float() / 255 - 0.1302) / 0.3069)
        torch.testing.assert_close(network(images), expected, rtol=1e-5, atol=1e-5)


def test_dropout_drops_whole_channels_then_units(images: Tensor) -> None:
    network = ConvNet().build().train()
    channels: list[Tensor] = []
    units: list[Tensor] = []
    network.get_submodule("dp1").register_forward_hook(lambda layer, given, made: channels.append(made))
    network.get_submodule("dp2").register_forward_hook(lambda layer, given, made: units.append(made))
    torch.manual_seed(0)
    network(images[:8])
    empty = (channels[0] == 0).all(dim=(2, 3)).float().mean()
    assert 0.02 < empty < 0.35, "about a tenth of the channels"
    assert units[0].shape == (8, 64)


def test_it_takes_raw_pixels_as_bytes_or_floats_and_returns_log_probabilities(images: Tensor) -> None:
    network = ConvNet().build().eval()
    with torch.no_grad():
        log_probs = network(images)
        assert torch.equal(log_probs, network(images.float()))
    assert log_probs.dtype == torch.float32
    assert log_probs.shape == (64, 10)
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(64))


@pytest.mark.parametrize(
    ("spec", "image_shape", "classes", "flat"),
    [
        (ConvNet(), (1, 28, 28), 10, 4608),
        (ConvNet(channels=(32, 64), hidden=128), (1, 28, 28), 10, 9216),
        (ConvNet(kernel_sizes=(5, 3)), (1, 28, 28), 10, 32 * 11 * 11),
        (ConvNet(strides=(2, 1)), (1, 28, 28), 10, 32 * 5 * 5),
        (ConvNet(), (3, 32, 20), 4, 32 * 14 * 8),
    ],
)
def test_the_flattened_size_is_computed(
    spec: ConvNet, image_shape: tuple[int, int, int], classes: int, flat: int
) -> None:
    network = spec.build(image_shape, classes).eval()
    assert network.get_submodule("fc1").in_features == flat
    assert network(torch.zeros(2, *image_shape, dtype=torch.uint8)).shape == (2, classes)


@pytest.mark.parametrize(
    ("spec", "image_shape", "reason"),
    [
        (ConvNet(), (1, 4, 4), "Convolution 2 gets 2x2 pixels"),
        (ConvNet(), (1, 5, 28), "The 2x2 max-pool gets 1x24 pixels"),
        (ConvNet(kernel_sizes=(29, 3)), (1, 28, 28), "Convolution 1 gets 28x28 pixels, fewer than its 29x29 kernel"),
        (ConvNet(strides=(6, 3)), (1, 28, 28), "The 2x2 max-pool gets 1x1"),
        (ConvNet(kernel_sizes=(27, 3)), (1, 28, 28), "Convolution 2 gets 2x2"),
    ],
)
def test_images_that_are_too_small_are_rejected_with_the_reason(
    spec: ConvNet, image_shape: tuple[int, int, int], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        spec.build(image_shape)


@pytest.mark.parametrize(("pool", "parameters"), [("max", 300_426), ("stride", 300_426), ("none", 1_185_162)])
def test_the_pool_can_be_replaced(pool: str, parameters: int, images: Tensor) -> None:
    network = ConvNet(pool=pool).build().eval()  # type: ignore[arg-type]
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert network(images).shape == (64, 10)


def test_a_stride_takes_every_second_value_of_the_convolution(images: Tensor) -> None:
    plain, strided = ConvNet(pool="none").build(), ConvNet(pool="stride").build()
    state = {name: value for name, value in plain.state_dict().items() if not name.startswith("fc1")}
    strided.load_state_dict(state, strict=False)
    x = plain.get_submodule("relu1")(plain.get_submodule("cn1")(plain.get_submodule("normalise")(images)))
    torch.testing.assert_close(strided.get_submodule("cn2")(x), plain.get_submodule("cn2")(x)[:, :, ::2, ::2])


def test_files_without_a_pool_have_the_max_pool() -> None:
    values = ConvNet(channels=(4, 8)).to_json()
    del values["pool"]
    assert network_from_json(values) == ConvNet(channels=(4, 8), pool="max")
    with pytest.raises(UsageError, match="pool is 'mean' but must be one of max, stride, none"):
        ConvNet(pool="mean")  # type: ignore[arg-type]


def test_without_a_pool_one_pixel_is_enough() -> None:
    assert ConvNet(pool="none").build((1, 5, 5))(torch.zeros(1, 1, 5, 5)).shape == (1, 10)
    with pytest.raises(UsageError, match="max-pool gets 1x1"):
        ConvNet().build((1, 5, 5))
