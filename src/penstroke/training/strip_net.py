"""The network that reads strips of touching digits, and its training.

Connectionist temporal classification (A. Graves and others, "Connectionist temporal classification", 2006,
https://doi.org/10.1145/1143844.1143891) trains it with the sequence of digits alone: where each digit begins and ends
is not needed. Each column of the output has the log-probabilities of the digits and of "no new digit".
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.synthesis.augment import change_tones
from penstroke.synthesis.draws import Draws
from penstroke.synthesis.touching import batch_of, touching_digits

CHANNELS = (32, 32, 48, 64, 64, 96)
BATCH_SIZE, BATCHES = 128, 8
"""Strips in a batch, and batches that are drawn together and sorted by width, so that they need little padding."""
LEARNING_RATE, WEIGHT_DECAY, MAX_GRADIENT = 3e-3, 1e-2, 5.0
WARMUP_STEPS = 200
TONES, UNCHANGED_SHARE = 0.6, 0.25
"""Strength of the variation of grey values, and the fraction of the strips without it."""


class StripNet(nn.Module):
    """Convolutions that halve the width and reduce the height to one.

    Args:
        classes: number of classes.
        channels: output channels of the convolutions.
    """

    def __init__(self, classes: int = 10, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        first, *middle, last = channels
        two, three, four, five = middle

        def convolution(inputs: int, outputs: int, rows: int = 3, padding: int = 1) -> nn.Sequential:
            layer = nn.Conv2d(inputs, outputs, (rows, 3), padding=(padding, 1), bias=False)
            return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())

        self.body = nn.Sequential(
            convolution(1, first), nn.MaxPool2d(2),
            convolution(first, two), convolution(two, three), nn.MaxPool2d((2, 1)),
            convolution(three, four), convolution(four, five), convolution(five, last, 7, 0),
        )  # fmt: skip
        self.output = nn.Conv2d(last, classes + 1, (1, 3), padding=(0, 1))

    def forward(self, strips: UInt8[Tensor, "n 1 28 w"] | Float[Tensor, "n 1 28 w"]) -> Float[Tensor, "n t classes+1"]:
        """Return log-probabilities for each column of half the width; the last class is "no new digit"."""
        columns = self.output(self.body(strips.float() / 255))[:, :, 0]
        return cast("Tensor", columns.transpose(1, 2).float().log_softmax(2))


def train_strip_net(
    images: UInt8[ndarray, "n 28 28"],
    labels: Int64[ndarray, "n"],
    steps: int,
    seed: int = 0,
    on_step: Callable[[int, float], object] | None = None,
) -> StripNet:
    """Return a trained network.

    Args:
        images: digits in the style of MNIST.
        labels: their classes, from 0.
        steps: number of steps with 128 strips each.
        seed: seed of all random numbers.
        on_step: called with the number of each step and its loss.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 0x571])
    network = StripNet(int(labels.max()) + 1).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    scale = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARMUP_STEPS) * (1 - step / steps)
    )
    for step in range(steps):
        if step % BATCHES == 0:
            strips, texts = touching_digits(images, labels, BATCHES * BATCH_SIZE, rng)
            order = sorted(range(len(strips)), key=lambda index: strips[index].shape[1])
            chunks = [order[start : start + BATCH_SIZE] for start in range(0, len(order), BATCH_SIZE)]
            rng.shuffle(chunks)
        chosen = chunks[step % BATCHES]
        loss = _loss(network, batch_of([strips[i] for i in chosen]), [texts[i] for i in chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
        optimizer.step()
        scale.step()
        if on_step:
            on_step(step + 1, float(loss.detach()))
    return network.eval()


def _loss(network: StripNet, strips: UInt8[ndarray, "n 1 28 w"], texts: list[tuple[int, ...]]) -> Float[Tensor, ""]:
    """Return the loss of a batch, with varied grey values."""
    originals = torch.from_numpy(strips).float()
    draws = Draws.of(originals)
    changed = change_tones(originals, TONES, draws).clamp(0, 255)
    with torch.autocast("cpu", torch.bfloat16, enabled=torch.backends.mkldnn.is_available()):
        log_probs = network(torch.where(draws.uniform(0, 1) < UNCHANGED_SHARE, originals, changed))
    targets = torch.tensor([label for text in texts for label in text])
    lengths = torch.tensor([len(text) for text in texts])
    columns = torch.full((len(texts),), log_probs.shape[1])
    blank = log_probs.shape[2] - 1
    return F.ctc_loss(log_probs.transpose(0, 1), targets, columns, lengths, blank, zero_infinity=True)
