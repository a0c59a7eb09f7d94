"""The training loop on three levels, each on one screen: the step, the epoch, the fit.

A recipe is unpacked once, in ``fit``; below it, each function gets only the values that it uses. Nothing here prints
or writes: sinks watch, and history is data.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.data import Dataset, Split, carve
from penstroke.data.augment import distorted, mixed_in, shifted
from penstroke.data.batches import batches
from penstroke.data.split import pixel_statistics
from penstroke.evaluation import Score, score
from penstroke.evaluation.calibration import calibrate
from penstroke.models.description import Description
from penstroke.models.files import new_model
from penstroke.models.forward import log_probabilities
from penstroke.recipes import Recipe
from penstroke.runtime import choose_device, derived_seed, prepare_once, seed_step
from penstroke.training.finite import FiniteCheck
from penstroke.training.history import EpochRow, History, Progress, Sink, State, StopTraining
from penstroke.training.losses import Loss, smoothed_nll
from penstroke.training.optimizers import build_optimizers, lr_factor, set_lr
from penstroke.training.snapshot import Snapshot, put_back

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
OTHERS = 14_000
"""How many pictures that are not of the dataset are made for a training, at most: no more than it has itself."""


@dataclass(frozen=True)
class Fitted:
    """What a training made."""

    model: nn.Module
    description: Description
    history: History


def train_step(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    images: UInt8[Tensor, "b c h w"],
    labels: Int64[Tensor, "b"],
    loss_of: Loss = F.nll_loss,
) -> Float[Tensor, ""]:
    """Take one step down the loss of a batch, and return that loss, still on the device.

    On the CPU, where looking costs nothing, no step is taken if the loss is not a finite number.
    """
    loss = loss_of(model(images), labels)
    if loss.is_cpu and not math.isfinite(loss.item()):
        return loss.detach()  # a step would spoil the weights, and hide what went wrong
    model.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.detach()


def train_epoch(
    state: State,
    split: Split,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    lr_factor: Callable[[float], float],
    loss_of: Loss = F.nll_loss,
    augment: Augment | None = None,
    sinks: Sequence[Sink] = (),
) -> None:
    """Go through what is left of the epoch under way: all of ``split`` once, in an order of the epoch's own.

    Args:
        state: moved on by every step; its ``losses`` get each step's.
        epochs: how many epochs the training has in all.
        seed: order, augmentation and dropout are functions of it, the epoch and the step.
        lr_factor: factor of the learning rates when that share (0..1) of the whole training is behind.
        loss_of: loss of log-probabilities and labels.
        augment: what becomes of each batch before it is learnt from.
        sinks: told of every step; one that raises ``StopTraining`` ends the epoch after that step.

    Raises:
        ModelError: a loss or a weight is not a finite number.
    """
    model, optimizers, losses, epoch = state.model, state.optimizers, state.losses, state.epoch
    model.train()
    steps = len(losses)
    check = FiniteCheck(state, split, batch_size, seed)
    for images, labels in batches(split, batch_size, seed, epoch, losses.device, first=state.step):
        step = state.step
        lr = set_lr(optimizers, lr_factor((epoch - 1 + (step + 0.5) / steps) / epochs))
        seed_step(seed, epoch, step)
        batch = augment(images, labels) if augment else (images, labels)
        losses[step] = train_step(model, optimizers, *batch, loss_of)
        state.step += 1
        check.stepped(lr)
        seen = min(state.step * batch_size, len(split))
        progress = Progress(epoch, epochs, state.step, steps, seen, len(split), losses[step], lr)
        for sink in sinks:
            sink.stepped(progress)
    check.ended()


def fit(
    recipe: Recipe,
    data: Dataset,
    device: str | torch.device = "auto",
    sinks: Sequence[Sink] = (),
    start: Snapshot | None = None,
) -> Fitted:
    """Train as ``recipe`` says, on ``data``.

    Args:
        recipe: the whole description of the training.
        data: its training images are used; its test images are opened only if the recipe tests after each epoch.
        device: `auto`, `cpu`, `cuda`, `mps`, `xpu`, or one of several, such as `cuda:1`.
        sinks: told of every step and epoch; one that raises ``StopTraining`` ends the training, unfinished.
        start: where a training with the same recipe and data broke off; this one goes on from there.

    Raises:
        UsageError: the device is not there.
        ModelError: the network cannot take such images, a loss or a weight stops being a finite number, or ``start``
            is of another training.
        DataError: the test images are wanted and cannot be used.
    """
    prepare_once()
    began = time.perf_counter()
    place = choose_device(str(device))
    train, held_back = carve(data.train, recipe.validation, recipe.seed) if recipe.validation else (data.train, None)
    train = train.to(place)
    held_back = held_back and held_back.to(place)
    test = data.test.to(place) if recipe.test_each_epoch else None
    state = _new_state(recipe, train, data.card.picture_rule, place, began)
    if start:
        put_back(state, start)
    for sink in sinks:
        sink.begun(state)

    loss_of, augment = _loss(recipe), _augmentation(recipe, train)

    def factor(done: float) -> float:
        return lr_factor(recipe.schedule, done, recipe.epochs, recipe.lr_decay, recipe.warmup)

    with suppress(StopTraining):
        while state.epoch <= recipe.epochs:
            train_epoch(
                state, train, epochs=recipe.epochs, batch_size=recipe.batch_size, seed=recipe.seed, lr_factor=factor,
                loss_of=loss_of, augment=augment, sinks=sinks,
            )  # fmt: skip
            row = _epoch_row(state, len(train), recipe.batch_size)
            row = _measured(row, state.model, test, held_back, recipe.test_batch_size)
            state.next_epoch(row)
            for sink in sinks:
                sink.epoch_ended(row)
        state.history.finished = True
    state.history.seconds = time.perf_counter() - state.began
    return Fitted(state.model.eval(), _calibrated(state, held_back, recipe), state.history)


def _calibrated(state: State, held_back: Split | None, recipe: Recipe) -> Description:
    """Return the description with what the images held back, if any, say of how sure the model may be."""
    if held_back is None:
        return state.description
    answers = log_probabilities(state.model, held_back.images, recipe.test_batch_size)
    return replace(state.description, calibration=calibrate(answers, held_back.labels, recipe.refuse))


def _loss(recipe: Recipe) -> Loss:
    """Return the loss that a recipe asks for."""
    if not (recipe.label_smoothing or recipe.non_digits):
        return F.nll_loss
    return partial(smoothed_nll, smoothing=recipe.label_smoothing)


def _augmentation(recipe: Recipe, train: Split) -> Augment:
    """Return what becomes of each batch: a function of PyTorch's random state."""
    strange = None
    if recipe.non_digits and train.classes == tuple("0123456789") and train.images.shape[1:] == (1, 28, 28):
        from penstroke.data.non_digits import others  # with Pillow and SciPy, which others can do without

        strange = others(min(OTHERS, len(train)), recipe.seed, train.images.device)

    def augment(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        if strange is not None:
            images, labels = mixed_in(images, labels, recipe.non_digits, strange)
        images = shifted(images, recipe.shift)
        return (distorted(images, recipe.distortion) if recipe.distortion else images), labels

    return augment


def _new_state(recipe: Recipe, train: Split, picture_rule: str, place: torch.device, began: float) -> State:
    """Return where a training begins."""
    description = _describe(recipe, train, picture_rule)
    torch.manual_seed(derived_seed(recipe.seed))
    model = new_model(description).to(place)
    optimizers = build_optimizers(
        recipe.optimizer, model, recipe.lr, recipe.momentum, recipe.weight_decay, recipe.head_lr
    )
    # Made once for an epoch: a small tensor that outlives each step would leave the heap in pieces, and growing.
    losses = torch.zeros(-(-len(train) // recipe.batch_size), device=place)
    return State(model, description, optimizers, losses, began=began)


def _describe(recipe: Recipe, train: Split, picture_rule: str) -> Description:
    """Return what the model is to be: the recipe's network, for these images and classes."""
    measured = pixel_statistics(train) if recipe.mean is None or recipe.std is None else (0.0, 1.0)
    return Description(
        network=recipe.network,
        image_shape=(train.images.shape[1], train.images.shape[2], train.images.shape[3]),
        classes=train.classes,
        mean=measured[0] if recipe.mean is None else recipe.mean,
        std=measured[1] if recipe.std is None else recipe.std,
        picture_rule=picture_rule,
    )


def _epoch_row(state: State, total: int, batch_size: int) -> EpochRow:
    """Return the record of the epoch just trained; the last batch, which may be smaller, weighs by its size."""
    seconds = time.perf_counter() - state.epoch_began
    values = state.losses.double().cpu()
    last = total - batch_size * (len(values) - 1)
    mean = (values[:-1].sum() * batch_size + values[-1] * last) / total
    return EpochRow(state.epoch, tuple(values.tolist()), float(mean), seconds)


def _measured(
    row: EpochRow, model: nn.Module, test: Split | None, validation: Split | None, batch_size: int
) -> EpochRow:
    """Return ``row`` with what the model scores on the test and validation images, where there are any."""
    start = time.perf_counter()

    def measure(split: Split | None) -> Score | None:
        return score(log_probabilities(model, split.images, batch_size), split.labels) if split else None

    row = replace(row, test=measure(test), validation=measure(validation))
    return replace(row, test_seconds=time.perf_counter() - start)
