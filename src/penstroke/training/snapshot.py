"""Conversion of the training state to and from plain tensors and numbers. This module does not depend on files."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from penstroke.errors import ModelError
from penstroke.training.history import EpochRow, State
from penstroke.training.optimizers import Optimizer

_KEPT = "kept."
REMEDY = "The checkpoint belongs to another run, or was modified."


@dataclass(frozen=True)
class Snapshot:
    """The content of a ``State``. It needs no random state, which is a function of seed, epoch and step."""

    weights: dict[str, Tensor]
    """The state dict of the network."""
    tensors: dict[str, Tensor]
    """``optimizer.NUMBER.WEIGHT.NAME``, the losses of each epoch, ``float32 [steps]``, as ``losses.EPOCH``, and the
    best or averaged weights as ``kept.NAME``."""
    values: dict[str, Any]
    """JSON values: current epoch, its completed steps, seconds, and the rows of earlier epochs."""


def capture(state: State) -> Snapshot:
    """Return a snapshot of ``state``. Its tensors may share memory with the training.

    Raises:
        ModelError: a weight or another tensor of the state is not finite.
    """
    tensors = {
        f"losses.{row.epoch}": torch.tensor(row.step_losses, dtype=torch.float32) for row in state.history.epochs
    }
    tensors[f"losses.{state.epoch}"] = state.losses
    tensors |= _optimizer_tensors(state.optimizers)
    tensors |= {f"{_KEPT}{name}": value for name, value in state.kept.items()}
    weights = state.network.state_dict()
    for name, value in (weights | tensors).items():
        if not is_finite(value):
            raise ModelError(
                f"The training diverged: {name} is not finite after step {state.step} of epoch {state.epoch}.",
                "Use a smaller learning rate (--lr).",
            )
    now = time.perf_counter()
    values = {
        "epoch": state.epoch,
        "step": state.step,
        "seconds": now - state.started,
        "epoch_seconds": now - state.epoch_started,
        "epochs": [row.to_json() for row in state.history.epochs],
    }
    return Snapshot(weights, tensors, values)


def restore(state: State, snapshot: Snapshot) -> None:
    """Set ``state``, of a training run with the same recipe before its first step, to the content of a snapshot.

    Raises:
        ModelError: the snapshot does not match such a training run.
    """
    shapes = {name: value.shape for name, value in state.network.state_dict().items()}
    if shapes != {name: value.shape for name, value in snapshot.weights.items()}:
        raise ModelError("The weights of the checkpoint do not match the network.", REMEDY)
    tensors, values = dict(snapshot.tensors), snapshot.values
    kept = {name.removeprefix(_KEPT): tensors.pop(name) for name in snapshot.tensors if name.startswith(_KEPT)}
    if kept and shapes != {name: value.shape for name, value in kept.items()}:
        raise ModelError("The kept weights of the checkpoint do not match the network.", REMEDY)
    state.kept = {name: value.to(state.losses.device) for name, value in kept.items()}
    try:
        for row in values["epochs"]:
            losses = tuple(tensors.pop(f"losses.{row['epoch']}").double().tolist())
            state.history.epochs.append(EpochRow.from_json(row, losses))
        state.epoch, state.step = int(values["epoch"]), int(values["step"])
        losses_now = tensors.pop(f"losses.{state.epoch}")
        if losses_now.shape != state.losses.shape or not 0 <= state.step <= len(losses_now):
            raise ModelError("The steps of the checkpoint do not match the number of training images.", REMEDY)
        state.losses.copy_(losses_now)
        now = time.perf_counter()
        state.started, state.epoch_started = now - float(values["seconds"]), now - float(values["epoch_seconds"])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ModelError(f"The checkpoint is invalid: {type(error).__name__} {error}.", REMEDY) from error
    _restore_optimizers(state.optimizers, tensors)
    state.network.load_state_dict(snapshot.weights)


def _restore_optimizers(optimizers: list[Optimizer], tensors: dict[str, Tensor]) -> None:
    own = _optimizer_tensors(optimizers)
    if {name: value.shape for name, value in own.items()} != {name: value.shape for name, value in tensors.items()}:
        raise ModelError("The optimizer tensors of the checkpoint do not match the recipe.", REMEDY)
    for name, value in own.items():
        value.copy_(tensors[name])  # keeps the memory layout, which is that of the weight


def _optimizer_tensors(optimizers: list[Optimizer]) -> dict[str, Tensor]:
    return {
        f"optimizer.{number}.{weight}.{name}": value
        for number, optimizer in enumerate(optimizers)
        for weight, tensors in enumerate(optimizer.state)
        for name, value in tensors.items()
    }


def is_finite(tensor: Tensor) -> bool:
    """Return whether a tensor contains neither NaN nor infinity, in one pass and without additional memory."""
    return all(bound.isfinite().item() for bound in tensor.detach().aminmax()) if tensor.numel() else True
