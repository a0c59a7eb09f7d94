"""The shared layers compute what their plain counterparts do, and hooks fire on the layers of every network."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.networks import ConvNet, NetworkSpec, PatchNet
from penstroke.networks.layers import FlatLinear, Network, Normalise, PooledConv2d, Temperature, wrap_module


def test_normalise_gives_the_bits_of_scalars_for_one_channel(images: Tensor) -> None:
    mean, std = torch.tensor(0.1302), torch.tensor(0.3069)
    expected = images.mul(1 / (255 * std)).sub_(mean / std)
    assert torch.equal(Normalise([0.1302], [0.3069])(images), expected)


def test_normalise_scales_each_channel_by_its_own_values() -> None:
    images = torch.randint(0, 256, (5, 3, 6, 4), dtype=torch.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.4)
    normalised = Normalise(mean, std)(images)
    for channel in range(3):
        expected = (images[:, channel].double() / 255 - mean[channel]) / std[channel]
        torch.testing.assert_close(normalised[:, channel].double(), expected, rtol=1e-5, atol=1e-5)
    assert normalised.dtype == torch.float32
    assert normalised.is_contiguous(memory_format=torch.channels_last)


def test_normalise_keeps_its_values_where_a_state_dict_has_none() -> None:
    layer = Normalise([0.25], [0.5])
    layer.load_state_dict({})
    assert (layer.mean.item(), layer.std.item()) == (0.25, 0.5)


def test_pooled_convolution_equals_convolution_then_pool() -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 4, 3, 2)
    torch.manual_seed(0)
    pooled = PooledConv2d(3, 4, 3, 2)
    x = torch.randn(2, 3, 21, 17)
    torch.testing.assert_close(pooled(x), F.max_pool2d(plain(x), 2))
    torch.testing.assert_close(F.relu(pooled(x)), F.max_pool2d(F.relu(plain(x)), 2))


def test_flat_linear_equals_flatten_then_linear_with_the_same_state_dict() -> None:
    plain = nn.Linear(2 * 3 * 4, 5)
    flat = FlatLinear((2, 3, 4), 5)
    flat.load_state_dict(plain.state_dict())
    x = torch.randn(6, 2, 3, 4)
    for given in (x, x.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(flat(given), plain(x.flatten(1)))
    assert torch.equal(flat.state_dict()["weight"], plain.state_dict()["weight"])
    with pytest.raises(RuntimeError, match="size mismatch"):
        flat.load_state_dict(nn.Linear(3, 5).state_dict())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.2345678, 3.0])
def test_temperature_divides_and_normalises(temperature: float) -> None:
    log_probs = F.log_softmax(torch.randn(7, 4), dim=1)
    layer = Temperature(temperature)
    assert torch.equal(layer(log_probs), F.log_softmax(log_probs / temperature, dim=1))
    assert layer.temperature.dtype == torch.float32
    assert layer.temperature.shape == ()


def test_a_calibrated_network_has_the_same_layers_and_one_more(images: Tensor) -> None:
    network = ConvNet().build().eval()
    calibrated = network.with_temperature(2.0)
    assert list(calibrated.state_dict()) == [*network.state_dict(), "calibration.temperature"]
    assert calibrated.get_submodule("cn1") is network.get_submodule("cn1")
    assert not calibrated.training
    with torch.no_grad():
        assert torch.equal(calibrated(images), F.log_softmax(network(images) / 2.0, dim=1))
    again = calibrated.with_temperature(3.0)
    assert [name for name, _ in again.named_children()].count("calibration") == 1
    assert again.get_buffer("calibration.temperature").item() == 3.0
    assert network.train().with_temperature(2.0).training


@pytest.mark.parametrize("output", [nn.Identity(), nn.LogSoftmax(dim=1)], ids=["logits", "log-probabilities"])
def test_a_wrapped_module_takes_raw_images_and_returns_log_probabilities(output: nn.Module, images: Tensor) -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), output)
    network = wrap_module(module, [0.25], [0.5])
    expected = F.log_softmax(module((images.float() / 255 - 0.25) / 0.5), dim=1)
    torch.testing.assert_close(network(images), expected)
    assert network.get_submodule("network") is module
    assert wrap_module(network, [0.1], [0.1]) is network


@pytest.mark.parametrize("spec", [ConvNet(), PatchNet()], ids=lambda spec: spec.kind)
@pytest.mark.parametrize("layer", ["cn1", "cn2", "fc1"])
def test_forward_and_backward_hooks_fire(spec: NetworkSpec, layer: str, images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(0)
    network = spec.build()
    nn.init.normal_(network.get_parameter("fc2.weight"))  # zero weights in PatchNet pass no gradient back
    outputs: list[Tensor] = []
    gradients: list[Tensor] = []

    def forward(module: nn.Module, given: Any, output: Tensor) -> None:
        outputs.append(output)

    def backward(module: nn.Module, given: Any, output: tuple[Tensor, ...]) -> None:
        gradients.append(output[0])

    network.get_submodule(layer).register_forward_hook(forward)
    network.get_submodule(layer).register_full_backward_hook(backward)
    pixels = images.float().requires_grad_()  # as for attributions; otherwise, PyTorch warns about cn1
    F.nll_loss(network(pixels), labels).backward()
    assert len(outputs) == len(gradients) == 1
    assert outputs[0].shape == gradients[0].shape
    assert (outputs[0] < 0).any(), "the ReLU that follows does not change the output in place"
    assert gradients[0].any()


def test_hooks_do_not_change_a_network(images: Tensor, labels: Tensor) -> None:
    torch.manual_seed(0)
    network = ConvNet(dropout=(0.0, 0.0)).build()
    F.nll_loss(network(images), labels).backward()
    before = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()
    for name in ("cn2", "fc1"):
        network.get_submodule(name).register_full_backward_hook(lambda *_: None)
    F.nll_loss(network(images), labels).backward()
    for parameter, gradient in zip(network.parameters(), before, strict=True):
        assert parameter.grad is not None
        assert gradient is not None
        assert torch.equal(parameter.grad, gradient)


def test_a_network_without_layers_is_the_identity_with_calibration() -> None:
    log_probs = torch.full((2, 4), -math.log(4))
    torch.testing.assert_close(Network().with_temperature(5.0)(log_probs), log_probs)


def test_bfloat16_is_used_in_training_alone_and_not_for_probabilities(images: Tensor) -> None:
    network = ConvNet().build()
    seen: dict[str, torch.dtype] = {}
    for name in ("cn1", "fc2", "log_softmax"):
        layer = network.get_submodule(name)
        layer.register_forward_hook(lambda _, given, output, name=name: seen.update({name: output.dtype}))
    plain = network.eval()(images)
    network.precision = torch.bfloat16
    assert torch.equal(network(images), plain), "in evaluation"
    assert set(seen.values()) == {torch.float32}
    log_probs = network.train()(images)
    assert seen == {"cn1": torch.bfloat16, "fc2": torch.bfloat16, "log_softmax": torch.float32}
    assert log_probs.dtype == torch.float32
    log_probs.sum().backward()
    assert all(weight.grad is not None and weight.grad.dtype == torch.float32 for weight in network.parameters())
    torch.testing.assert_close(log_probs.exp().sum(1), torch.ones(len(images)))
