"""A training's state as plain tensors and numbers, and back. This module knows nothing of files."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from penstroke.errors import ModelError
from penstroke.training.history import EpochRow, State

REMEDY = "The checkpoint is of another training, or was changed."


@dataclass(frozen=True)
class Snapshot:
    """All of a ``State``. Random state is no part of it: what is random hangs on seed, epoch and step."""

    weights: dict[str, Tensor]
    """The network's state dict."""
    tensors: dict[str, Tensor]
    """``optimizer.NUMBER.PARAMETER.NAME``, and each epoch's losses, ``float32 [steps]``, as ``losses.EPOCH``."""
    values: dict[str, Any]
    """JSON: epoch under way, steps done in it, seconds, the rows of the epochs before it."""


def take(state: State) -> Snapshot:
    """Return a snapshot of ``state``; its tensors may share memory with the training.

    Raises:
        ModelError: a weight or another number of the state is not finite.
    """
    tensors = {
        f"losses.{row.epoch}": torch.tensor(row.step_losses, dtype=torch.float32) for row in state.history.epochs
    }
    tensors[f"losses.{state.epoch}"] = state.losses
    for number, optimizer in enumerate(state.optimizers):
        for parameter, numbers in optimizer.state_dict()["state"].items():
            for name, value in numbers.items():
                assert isinstance(value, Tensor), f"{name} of {type(optimizer).__name__} is no tensor"
                tensors[f"optimizer.{number}.{parameter}.{name}"] = value
    weights = state.model.state_dict()
    for name, value in (weights | tensors).items():
        if not is_finite(value):
            raise ModelError(
                f"The training went wrong: {name} is not finite after step {state.step} of epoch {state.epoch}.",
                "Take a smaller learning rate (--lr).",
            )
    now = time.perf_counter()
    values = {
        "epoch": state.epoch,
        "step": state.step,
        "seconds": now - state.began,
        "epoch_seconds": now - state.epoch_began,
        "epochs": [row.to_json() for row in state.history.epochs],
    }
    return Snapshot(weights, tensors, values)


def put_back(state: State, snapshot: Snapshot) -> None:
    """Bring ``state``, of a training with the same recipe that has not begun, to where the snapshot was taken.

    Raises:
        ModelError: the snapshot is not of such a training.
    """
    tensors, values = dict(snapshot.tensors), snapshot.values
    own = {name: value.shape for name, value in state.model.state_dict().items()}
    if own != {name: value.shape for name, value in snapshot.weights.items()}:
        raise ModelError("The checkpoint's weights do not fit the network.", REMEDY)
    try:
        for row in values["epochs"]:
            losses = tuple(tensors.pop(f"losses.{row['epoch']}").double().tolist())
            state.history.epochs.append(EpochRow.from_json(row, losses))
        state.epoch, state.step = int(values["epoch"]), int(values["step"])
        losses_now = tensors.pop(f"losses.{state.epoch}")
        if losses_now.shape != state.losses.shape or not 0 <= state.step <= len(losses_now):
            raise ModelError("The checkpoint's steps do not fit the images.", REMEDY)
        state.losses.copy_(losses_now)
        now = time.perf_counter()
        state.began, state.epoch_began = now - float(values["seconds"]), now - float(values["epoch_seconds"])
        _put_back_optimizers(state.optimizers, tensors)
    except ModelError:
        raise
    except (KeyError, TypeError, IndexError, ValueError) as fault:
        raise ModelError(f"The checkpoint makes no sense: {type(fault).__name__} {fault}.", REMEDY) from fault
    state.model.load_state_dict(snapshot.weights)


def _put_back_optimizers(optimizers: list[torch.optim.Optimizer], tensors: dict[str, Tensor]) -> None:
    kept = [optimizer.state_dict() for optimizer in optimizers]
    for name, value in tensors.items():
        kind, number, index, what = name.split(".", 3)
        if kind != "optimizer":
            raise KeyError(name)
        parameters = [weight for group in optimizers[int(number)].param_groups for weight in group["params"]]
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            # Laid out in memory as the weight is: a fused step walks through both alike.
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        elif value.ndim:
            raise ValueError(f"{name} is of shape {tuple(value.shape)}")
        kept[int(number)]["state"].setdefault(int(index), {})[what] = value
    for optimizer, values in zip(optimizers, kept, strict=True):
        optimizer.load_state_dict(values)


def is_finite(tensor: Tensor) -> bool:
    """Tell whether a tensor holds neither NaN nor infinity, in one pass and without memory."""
    return all(edge.isfinite().item() for edge in tensor.detach().aminmax()) if tensor.numel() else True
