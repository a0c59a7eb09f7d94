"""The width of a network and the number of epochs for a given time, by a short measurement on this machine."""

import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from penstroke.data import Dataset, Split
from penstroke.errors import UsageError
from penstroke.inference.backends.torch import forward_batches
from penstroke.networks.features import FeatureNetwork
from penstroke.recipes import Recipe
from penstroke.training.adapt import adapt
from penstroke.training.loop import step_of
from penstroke.training.start import build_start, split_validation
from penstroke.training.tensors import TensorSplit

WIDTHS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Factors of the channels of a network with batch normalisation."""
MULTIPLE = 16
"""Channels are multiples of this. With 8 channels, the convolutions of PyTorch 2.13 on the CPU corrupt memory."""
MIN_SHARE = 0.75
"""A width is used if the time is enough for this share of the epochs that the recipe has for these images."""
MAX_SHARE = 4.0
"""Maximum number of epochs, as a multiple of those of the recipe: more do not help."""
MEASURING = 0.01
"""Share of the time that is used to measure each width."""
RESERVE = 0.03
"""Share of the time that is kept for differences in speed."""
EVALUATED = 256
"""Number of images whose evaluation is measured."""


def for_budget(recipe: Recipe, data: Dataset, seconds: float, device: torch.device) -> tuple[Recipe, str]:
    """Return the recipe that uses a given time best, and a note on it.

    A network with batch normalisation gets the largest width for which the time is enough for about as many epochs as
    the recipe has; for other networks, only the number of epochs is chosen.

    Args:
        recipe: the training.
        data: its training images are used.
        seconds: time of the training, including this measurement and the evaluation after each epoch.
        device: device of the training.

    Raises:
        UsageError: the time is too short for one epoch, or the recipe tests after each epoch, which is not measured.
    """
    if recipe.evaluation.test_each_epoch:
        raise UsageError(
            f"The recipe {recipe.name} tests after each epoch; a budget does not include that time.",
            "Add --no-test-each-epoch, or use the recipe general.",
        )
    started = time.perf_counter()
    train, validation = split_validation(data, recipe.validation)
    wanted = recipe.epochs_for(len(train))
    recipe, _ = adapt(recipe, train)
    available = seconds * (1 - RESERVE)
    chosen, cost = recipe, math.inf
    for wider in _widths(recipe):
        measured = _epoch_seconds(wider, data, train, validation, device, MEASURING * seconds)
        left = available - (time.perf_counter() - started)
        if math.isfinite(cost) and left / measured < MIN_SHARE * wanted:
            break
        chosen, cost = wider, measured
    left = available - (time.perf_counter() - started)
    count = min(int(left / cost), round(MAX_SHARE * wanted))
    if count < 1:
        raise UsageError(
            f"The budget is {seconds:.0f} s, and one epoch takes {cost:.1f} s on this machine.",
            "Give more time, use smaller images (--size), or fewer.",
        )
    expected = count * cost + time.perf_counter() - started
    network = chosen.network
    width = f", channels {' '.join(map(str, network.channels))}" if isinstance(network, FeatureNetwork) else ""
    return chosen.replace(epochs=count), f"{count} epochs{width}: about {expected:.0f} s, {cost:.2g} s for each epoch"


def _widths(recipe: Recipe) -> list[Recipe]:
    """Return the recipe with each width of its network, from the smallest on."""
    if not isinstance(recipe.network, FeatureNetwork):
        return [recipe]
    channels = recipe.network.channels
    scaled = [tuple(max(MULTIPLE, round(each * width / MULTIPLE) * MULTIPLE) for each in channels) for width in WIDTHS]
    return [recipe.replace(channels=each) for each in scaled]


def _epoch_seconds(
    recipe: Recipe, data: Dataset, train: Split, validation: Split | None, device: torch.device, limit: float
) -> float:
    """Return the duration of an epoch and its evaluation, from single steps that take ``limit`` seconds at most."""
    state, batches, loss_of = build_start(recipe, data, train, device)
    source, take = batches.endless(), step_of(recipe.accumulate)

    def step() -> None:
        images, labels = next(source)
        take(state.network, state.optimizers, images, labels, loss_of, 1.0, batches.world)

    state.network.train()
    total = _seconds(step, limit, device) * batches.steps
    if validation is not None:
        some = validation.subset(np.arange(min(EVALUATED, len(validation))))
        images = TensorSplit.from_split(some, device).take(slice(None))
        forward = partial(forward_batches, state.network, images, recipe.evaluation.test_batch_size)
        total += _seconds(forward, limit / 4, device) * len(validation) / len(some)
    return total


def _seconds(action: Callable[[], object], limit: float, device: torch.device) -> float:
    """Return the median duration of an action, measured for ``limit`` seconds, and at least twice."""
    durations: list[float] = []
    while len(durations) < 3 or sum(durations) < limit:
        started = time.perf_counter()
        action()
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        durations.append(time.perf_counter() - started)
    return statistics.median(durations[1:])  # the first one allocates memory
