"""The network is the chapter's, number for number, and refuses what cannot work."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from trained import dataset

from penstroke import ConvNet
from penstroke.errors import ModelError


class Transcription(nn.Module):
    """The network as the chapter's text describes it, layer by layer, on normalised images."""

    def __init__(self, dropout: bool) -> None:
        super().__init__()
        self.cn1 = nn.Conv2d(1, 16, 3, 1)
        self.cn2 = nn.Conv2d(16, 32, 3, 1)
        self.dp1 = nn.Dropout2d(0.10 if dropout else 0.0)
        self.dp2 = nn.Dropout(0.25 if dropout else 0.0)
        self.fc1 = nn.Linear(4608, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.cn1(x))
        x = F.max_pool2d(F.relu(self.cn2(x)), 2)
        x = torch.flatten(self.dp1(x), 1)
        x = self.dp2(F.relu(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def images(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    train = dataset().train
    return train.images[:count], train.labels[:count]


def test_it_has_the_chapters_size_and_names() -> None:
    model = ConvNet()
    assert sum(parameter.numel() for parameter in model.parameters()) == 300_426
    assert model.fc1.in_features == 4608
    names = {f"{layer}.{part}" for layer in ("cn1", "cn2", "fc1", "fc2") for part in ("weight", "bias")}
    assert {name for name, _ in model.named_parameters()} == names
    assert isinstance(model.dp1, nn.Dropout2d)
    assert (model.dp1.p, model.dp2.p) == (0.10, 0.25)


def test_forward_and_gradients_equal_a_plain_transcription() -> None:
    pixels, labels = images()
    torch.manual_seed(1)
    plain = Transcription(dropout=False)
    ours = ConvNet(dropout=(0.0, 0.0), mean=0.1302, std=0.3069)
    ours.load_state_dict(plain.state_dict())  # the chapter's names, strictly
    expected = plain((pixels.float() / 255 - 0.1302) / 0.3069)
    found = ours(pixels)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    F.nll_loss(expected, labels).backward()
    F.nll_loss(found, labels).backward()
    for parameter in ours.parameters():
        parameter.data = parameter.grad if parameter.grad is not None else parameter.data
    gradients = ours.state_dict()  # which has the chapter's order of weights
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6)


def test_weights_are_saved_in_the_order_in_which_they_were_loaded() -> None:
    state = Transcription(dropout=True).state_dict()
    ours = ConvNet()
    ours.load_state_dict(state)
    saved = ours.state_dict()
    assert all(torch.equal(saved[name], state[name]) for name in state)


def test_eval_mode_equals_the_transcription_with_dropout() -> None:
    pixels, _ = images()
    plain = Transcription(dropout=True).eval()
    ours = ConvNet(mean=0.1302, std=0.3069).eval()
    ours.load_state_dict(plain.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(pixels), plain((pixels.float() / 255 - 0.1302) / 0.3069), rtol=1e-5, atol=1e-5)


def test_dropout_drops_whole_channels_then_units() -> None:
    pixels, _ = images(8)
    model = ConvNet().train()
    kept: list[torch.Tensor] = []
    model.dp1.register_forward_hook(lambda layer, given, made: kept.append(made))
    model(pixels)
    empty = (kept[0] == 0).all(dim=(2, 3)).float().mean()
    assert 0.02 < empty < 0.35, "about a tenth of the channels"


def test_it_takes_raw_pixels_as_bytes_or_floats_and_gives_log_probabilities() -> None:
    pixels, _ = images(8)
    model = ConvNet().eval()
    with torch.no_grad():
        answers = model(pixels)
        assert torch.equal(answers, model(pixels.float()))
    assert answers.dtype == torch.float32
    assert answers.shape == (8, 10)
    torch.testing.assert_close(answers.exp().sum(1), torch.ones(8))


@pytest.mark.parametrize(
    ("arguments", "flat"),
    [
        ({}, 4608),
        ({"channels": (32, 64), "hidden": 128}, 9216),
        ({"kernel_sizes": (5, 3)}, 32 * 11 * 11),
        ({"strides": (2, 1)}, 32 * 5 * 5),
        ({"image_shape": (3, 32, 20), "classes": 4}, 32 * 14 * 8),
    ],
)
def test_the_flattened_size_is_computed(arguments: dict[str, object], flat: int) -> None:
    model = ConvNet(**arguments).eval()  # type: ignore[arg-type]
    assert model.fc1.in_features == flat
    answers = model(torch.zeros(2, *model.image_shape, dtype=torch.uint8))
    assert answers.shape == (2, arguments.get("classes", 10))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"image_shape": (1, 4, 4)}, "Convolution 2 gets 2x2 pixels"),
        ({"image_shape": (1, 5, 28)}, "The 2x2 pool gets 1x24 pixels"),
        ({"kernel_sizes": (29, 3)}, "Convolution 1 gets 28x28 pixels, fewer than its 29x29 kernel"),
        ({"strides": (6, 3)}, "The 2x2 pool gets 1x1"),
        ({"kernel_sizes": (27, 3)}, "Convolution 2 gets 2x2"),
    ],
)
def test_a_shape_that_cannot_work_is_refused_with_the_reason(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        ConvNet(**arguments)  # type: ignore[arg-type]
