"""The training loop at three levels: step, epoch and fit.

The recipe is unpacked in ``_train``, the part of ``fit`` after its arguments are checked; each function below it gets
only the values that it uses. This module writes no files, and the module ``progress`` prints.
"""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke.data import Dataset
from penstroke.data.split import require_dataset
from penstroke.inference import Classifier
from penstroke.recipes import Recipe
from penstroke.runtime import choose_device, configure
from penstroke.training.accumulation import accumulated_step
from penstroke.training.adapt import adapt, for_processes
from penstroke.training.batches import Batches
from penstroke.training.callbacks import Callback, CallbackGroup, StopTraining, check_callbacks
from penstroke.training.distillation import open_teacher, with_teacher
from penstroke.training.finite import FiniteCheck
from penstroke.training.fitted import Fitted
from penstroke.training.history import Progress, State
from penstroke.training.init import Init, resolve
from penstroke.training.losses import Loss
from penstroke.training.measure import Measurement, build_measurement
from penstroke.training.optimizers import Optimizer
from penstroke.training.progress import progress_printers
from penstroke.training.schedules import lr_factor, scaling_factor
from penstroke.training.selection import Keeper
from penstroke.training.snapshot import Snapshot, restore
from penstroke.training.start import build_start, split_validation
from penstroke.training.transform import Transform, with_transform
from penstroke.training.world import World

Step = Callable[..., Float[Tensor, ""]]
"""Takes the arguments of ``train_step`` in order, and returns what it does."""


def train_step(
    network: nn.Module,
    optimizers: Sequence[Optimizer],
    images: UInt8[Tensor, "part c h w"] | Float[Tensor, "part c h w"],
    labels: Int64[Tensor, "b"],
    loss_of: Loss = F.nll_loss,
    factor: float = 1.0,
    world: World = World(),  # noqa: B008 - frozen
) -> Float[Tensor, ""]:
    """Take one optimization step and return the loss of the batch, on its device.

    On the CPU, where reading the loss is free, no step is taken if the loss is not finite.

    Args:
        network: returns log-probabilities for raw images.
        optimizers: together they train all parameters.
        images: raw or augmented images, 0..255; the part of the batch that this process computes.
        labels: class indices of the whole batch.
        loss_of: loss of log-probabilities and labels.
        factor: factor of the learning rates.
        world: rank of this process and number of processes.
    """
    network.zero_grad()
    loss = world.sum(network, world.backward(network, images, labels, loss_of))
    if loss.is_cpu and not math.isfinite(loss.item()):
        return loss  # a step would make the weights NaN and hide the cause
    for optimizer in optimizers:
        optimizer.step(factor)
    return loss


def step_of(accumulate: int) -> Step:
    """Return the function that takes a step, whose batch is computed in ``accumulate`` parts."""
    return train_step if accumulate == 1 else partial(accumulated_step, parts=accumulate)


def train_epoch(
    state: State,
    batches: Batches,
    epochs: int,
    *,
    lr_factor: Callable[[float], float] = lambda _: 1.0,
    loss_of: Loss = F.nll_loss,
    callback: Callback = Callback(),  # noqa: B008 - without state
    step: Step = train_step,
) -> None:
    """Train the rest of the current epoch.

    Args:
        state: updated by each step.
        batches: the batches of all epochs.
        epochs: number of epochs of the training.
        lr_factor: returns the factor of the learning rates for the completed fraction of the training, 0..1.
        loss_of: loss of log-probabilities and labels.
        callback: notified of each step.
        step: takes a step.

    Raises:
        StopTraining: raised by the callback; the epoch ends after the current step.
        ModelError: a loss or a weight is not finite.
    """
    state.network.train()
    check, total = FiniteCheck(state, batches), batches.images
    for images, labels in batches.epoch(state.epoch, state.step):
        done = (state.epoch - 1 + (state.step + 0.5) / batches.steps) / epochs
        factor = lr_factor(done)
        with state.freezing.active(state.optimizers, done) as optimizers:
            state.losses[state.step] = step(state.network, optimizers, images, labels, loss_of, factor, batches.world)
        loss = state.losses[state.step]
        state.step += 1
        lr = state.optimizers[0].lr * factor
        check.on_step_end(lr)
        seen = min(state.step * batches.size, total)
        callback.on_step_end(Progress(state.epoch, epochs, state.step, batches.steps, seen, total, loss, lr))
    check.on_epoch_end()


def fit(
    recipe: Recipe | str,
    data: Dataset,
    *,
    network: nn.Module | None = None,
    init: Classifier | Init | str | Path | None = None,
    freeze: float = 0.0,
    transform: Transform | None = None,
    loss: Loss | None = None,
    device: str | torch.device = "auto",
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    tune: bool = False,
    start: Snapshot | None = None,
    world: World = World(),  # noqa: B008 - frozen
) -> Fitted:
    """Train a network.

    PyTorch's random state is set before each step. Other process-wide settings change only with ``tune``.

    Args:
        recipe: a recipe, or the name of one, such as ``fast``.
        data: its training images are used; its test images are read only if the recipe evaluates them after each epoch.
        network: a module that is trained in place, instead of the network of the recipe. It takes normalised images
            ``float32 [n, c, h, w]`` and returns logits or log-probabilities ``[n, classes]``. If the recipe keeps the
            best or averaged weights, the model that is returned has them, and the module those of the last step.
        init: a classifier, run, model file or ``ready``, whose weights the training starts from where layers have the
            same names and shapes. If ``recipe`` is a name, its network is replaced by that of the model.
        freeze: fraction of the training, 0..1, in which the layers with weights from ``init`` do not change.
        transform: applied to each batch of training images ``[b, c, h, w]`` after the augmentation of the recipe. It
            takes and returns images of the same shape, uint8 or float 0..255. Random numbers from PyTorch's generator
            are functions of the recipe's seed, epoch and step.
        loss: returns the scalar loss of log-probabilities ``[b, classes]`` and labels ``int64 [b]``, in the place of
            the negative log-likelihood. The recipe must have neither label smoothing nor outliers.
        device: `auto`, `cpu`, `cuda`, `mps`, `xpu`, or one of several, such as `cuda:1`.
        callbacks: notified of each step and epoch; one that raises ``StopTraining`` ends the training early.
        progress: print progress and a line for each epoch on stderr: a bar on a terminal, otherwise lines.
        tune: configure the process for fast training, as the command line does; see ``runtime.configure``.
        start: a snapshot of an interrupted training run with the same recipe and data, which is continued.
        world: rank of this process and number of processes that train the network.

    Raises:
        UsageError: an argument is unknown or of the wrong type, part of the recipe does not apply to the images or to
            ``loss``, or ``transform`` or ``loss`` returns something else than it must.
        ModelError: a loss or a weight is not finite, or ``start`` belongs to another recipe or dataset.
        DataError: the recipe evaluates the test images, and they cannot be read.
    """
    if tune:
        configure()
    check_callbacks(callbacks)
    recipe, origin = resolve(recipe, init, freeze, require_dataset(data).train, network)
    with progress_printers(progress and not world.rank, recipe.log_every) as printers:
        all_callbacks = [*callbacks, *printers]
        return _train(recipe, data, network, origin, transform, loss, str(device), all_callbacks, start, world)


def _train(
    recipe: Recipe,
    data: Dataset,
    module: nn.Module | None,
    origin: Init | None,
    transform: Transform | None,
    loss: Loss | None,
    wanted_device: str,
    callbacks: Sequence[Callback],
    start: Snapshot | None,
    world: World,
) -> Fitted:
    """Train a network; see ``fit``."""
    started = time.perf_counter()
    keeper = Keeper(recipe.selection)
    group, device = CallbackGroup(callbacks, world, first=(keeper,)), choose_device(wanted_device)
    train, validation = split_validation(data, recipe.validation)
    recipe = for_processes(adapt(recipe, train)[0], len(train), world.size)
    teacher = open_teacher(recipe.teacher, train, device) if recipe.teacher else None
    state, batches, loss_of = build_start(
        recipe, data, train, device, module=module, init=origin, loss=loss, world=world
    )
    batches = replace(batches, augment=with_transform(batches.augment, transform))
    if teacher:
        batches = replace(batches, augment=with_teacher(batches.augment, teacher))
    state.started = started
    if start:
        restore(state, start)
    measurement = build_measurement(recipe.evaluation, recipe.validation, data, validation, device, world)
    scaled = partial(scaling_factor, recipe.scaling, recipe.scaling_warmup, world.size)
    step = step_of(recipe.accumulate)

    def factor(done: float) -> float:
        return lr_factor(recipe.schedule, done, recipe.epochs) * scaled(done)

    _train_epochs(state, batches, recipe.epochs, keeper, measurement, factor, loss_of, group, step)
    return _fitted(state, keeper, measurement)


def _train_epochs(
    state: State,
    batches: Batches,
    epochs: int,
    keeper: Keeper,
    measurement: Measurement,
    lr_factor: Callable[[float], float],
    loss_of: Loss,
    callback: Callback,
    step: Step,
) -> None:
    """Train and measure the rest of the epochs, unless a callback or the keeper ends the training."""
    with suppress(StopTraining):
        callback.on_train_start(state)
        while state.epoch <= epochs and not keeper.exhausted(state.history):
            train_epoch(state, batches, epochs, lr_factor=lr_factor, loss_of=loss_of, callback=callback, step=step)
            last = keeper.measures_last(state, epochs)
            row = measurement.epoch_row(state, batches, keeper.measured(state), last=last)
            state.next_epoch(row)
            callback.on_epoch_end(row)
        state.history.finished = True


def _fitted(state: State, keeper: Keeper, measurement: Measurement) -> Fitted:
    """Return the model with the weights that are kept, calibrated if there are validation images."""
    model, calibration = measurement.calibrated(keeper.kept(state))
    history = state.history
    history.kept = keeper.kept_epoch(history)
    if history.finished and history.kept_row:
        history.epochs[history.kept_row.epoch - 1] = measurement.calibrated_row(history.kept_row, model)
    history.seconds = time.perf_counter() - state.started
    return Fitted(model.eval(), replace(state.description, calibration=calibration), history)
