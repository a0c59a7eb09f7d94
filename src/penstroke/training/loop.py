"""The training loop on three levels, each on one screen: the step, the epoch, the fit.

A recipe is unpacked once, in ``fit``; below it, each function gets only the values that it uses. Nothing here prints
or writes: sinks watch, and history is data.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.data import Dataset, Split, carve
from penstroke.data.augment import shifted
from penstroke.data.batches import batches
from penstroke.data.split import pixel_statistics
from penstroke.errors import ModelError
from penstroke.evaluation import Score, score
from penstroke.models.description import Description
from penstroke.models.files import new_model
from penstroke.models.forward import log_probabilities
from penstroke.recipes import Recipe
from penstroke.runtime import choose_device, derived_seed, prepare_once, seed_step
from penstroke.training.history import EpochRow, History, Progress, Sink, StopTraining
from penstroke.training.optimizers import build_optimizers, lr_factor, set_lr


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
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Take one step down the negative log-likelihood of a batch, and return that loss, still on the device."""
    answers = model(images)
    loss = F.nll_loss(answers, labels)
    if label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * answers.mean()
    model.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.detach()


def train_epoch(
    model: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    split: Split,
    *,
    epoch: int,
    epochs: int,
    batch_size: int,
    seed: int,
    lr_factor: Callable[[float], float],
    label_smoothing: float = 0.0,
    shift: int = 0,
    sinks: Sequence[Sink] = (),
) -> Float[Tensor, "steps"]:
    """Go once through ``split`` in an order of its own, and return the loss of each step.

    Args:
        epoch: which epoch this is, from 1, of ``epochs``.
        seed: order, augmentation and dropout are functions of it, the epoch and the step.
        lr_factor: factor of the learning rates when that share (0..1) of the whole training is behind.
        label_smoothing: share of the loss that asks for all classes alike.
        shift: pixels by which each batch is moved at random, at most.
        sinks: told of every step; one that raises ``StopTraining`` ends the epoch after that step.
    """
    model.train()
    steps = -(-len(split) // batch_size)
    seen = 0
    device = next(model.parameters()).device
    # Made once: a small tensor that outlives each step would leave the heap in pieces, and growing.
    losses = torch.zeros(steps, device=device)
    for step, (images, labels) in enumerate(batches(split, batch_size, seed, epoch, device)):
        lr = set_lr(optimizers, lr_factor((epoch - 1 + (step + 0.5) / steps) / epochs))
        seed_step(seed, epoch, step)
        losses[step] = train_step(model, optimizers, shifted(images, shift), labels, label_smoothing)
        seen += len(labels)
        progress = Progress(epoch, epochs, step + 1, steps, seen, len(split), losses[step], lr)
        for sink in sinks:
            sink.stepped(progress)
    return losses


def fit(recipe: Recipe, data: Dataset, device: str | torch.device = "auto", sinks: Sequence[Sink] = ()) -> Fitted:
    """Train as ``recipe`` says, on ``data``.

    Args:
        recipe: the whole description of the training.
        data: its training images are used; its test images are opened only if the recipe tests after each epoch.
        device: `auto`, `cpu`, `cuda`, `mps`, `xpu`, or one of several, such as `cuda:1`.
        sinks: told of every step and epoch; one that raises ``StopTraining`` ends the training, unfinished.

    Raises:
        UsageError: the device is not there.
        ModelError: the network cannot take such images, or the loss stops being a finite number.
        DataError: the test images are wanted and cannot be used.
    """
    prepare_once()
    start = time.perf_counter()
    place = choose_device(str(device))
    train, held_back = carve(data.train, recipe.validation, recipe.seed) if recipe.validation else (data.train, None)
    description = _describe(recipe, train, data.card.picture_rule)
    torch.manual_seed(derived_seed(recipe.seed))
    model = new_model(description).to(place)
    optimizers = build_optimizers(
        recipe.optimizer, model, recipe.lr, recipe.momentum, recipe.weight_decay, recipe.head_lr
    )
    train = train.to(place)
    held_back = held_back and held_back.to(place)
    test = data.test.to(place) if recipe.test_each_epoch else None

    def factor(done: float) -> float:
        return lr_factor(recipe.schedule, done, recipe.epochs, recipe.lr_decay, recipe.warmup)

    history = History()
    with suppress(StopTraining):
        for epoch in range(1, recipe.epochs + 1):
            epoch_start = time.perf_counter()
            losses = train_epoch(
                model, optimizers, train, epoch=epoch, epochs=recipe.epochs, batch_size=recipe.batch_size,
                seed=recipe.seed, lr_factor=factor, label_smoothing=recipe.label_smoothing, shift=recipe.shift,
                sinks=sinks,
            )  # fmt: skip
            row = _epoch_row(epoch, losses, len(train), recipe.batch_size, time.perf_counter() - epoch_start)
            row = _measured(row, model, test, held_back, recipe.test_batch_size)
            history.epochs.append(row)
            for sink in sinks:
                sink.epoch_ended(row)
        history.finished = True
    history.seconds = time.perf_counter() - start
    return Fitted(model.eval(), description, history)


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


def _epoch_row(epoch: int, losses: Float[Tensor, "steps"], total: int, batch_size: int, seconds: float) -> EpochRow:
    """Return the record of a trained epoch; the last batch, which may be smaller, weighs by its size.

    Raises:
        ModelError: a loss is not a finite number.
    """
    values = losses.double().cpu()
    if not values.isfinite().all():
        step = int((~values.isfinite()).nonzero()[0])
        raise ModelError(
            f"The training went wrong: the loss of step {step + 1} of epoch {epoch} is {values[step].item()}.",
            "Take a smaller learning rate (--lr).",
        )
    last = total - batch_size * (len(values) - 1)
    mean = (values[:-1].sum() * batch_size + values[-1] * last) / total
    return EpochRow(epoch, tuple(values.tolist()), float(mean), seconds)


def _measured(
    row: EpochRow, model: nn.Module, test: Split | None, validation: Split | None, batch_size: int
) -> EpochRow:
    """Return ``row`` with what the model scores on the test and validation images, where there are any."""
    start = time.perf_counter()

    def measure(split: Split | None) -> Score | None:
        return score(log_probabilities(model, split.images, batch_size), split.labels) if split else None

    row = replace(row, test=measure(test), validation=measure(validation))
    return replace(row, test_seconds=time.perf_counter() - start)
