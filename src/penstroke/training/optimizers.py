"""Optimizers by name, and the learning rate as a pure function of how far the training is."""

import math

import torch
from torch import nn

from penstroke.training.adadelta import Adadelta
from penstroke.training.flat import FlatWeights
from penstroke.training.muon import Muon


def build_optimizers(
    name: str, model: nn.Module, lr: float, momentum: float, weight_decay: float, head_lr: float
) -> list[torch.optim.Optimizer]:
    """Return the optimizers that together train all of ``model``: one, or for `muon` two.

    Muon steps the weights between layers, at ``lr``; Adam the biases and the last layer, at ``head_lr``.

    Args:
        name: one of ``recipes.OPTIMIZERS``.
        model: what is to be trained.
        lr: learning rate.
        momentum: of sgd, rmsprop and muon.
        weight_decay: of all but muon.
        head_lr: learning rate of what Muon leaves to Adam.
    """
    parameters = list(model.parameters())
    if name == "muon":
        inner = [weight for weight in parameters[:-2] if weight.ndim > 1]
        rest = [weight for weight in parameters[:-2] if weight.ndim == 1] + parameters[-2:]
        return [Muon(inner, lr, momentum), torch.optim.Adam(rest, head_lr, (0.7, 0.9), fused=True)]
    flat = FlatWeights(model)
    optimizer = _one(name, flat.weights, lr, momentum, weight_decay)
    optimizer.register_step_pre_hook(flat.gather)
    return [optimizer]


def _one(
    name: str, parameters: list[nn.Parameter], lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    # `fused` does a step in one pass over memory, where PyTorch offers it.
    match name:
        case "adadelta":
            return Adadelta(parameters, lr=lr, weight_decay=weight_decay)
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum)
        case "sgd":
            return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum, fused=True)
    raise AssertionError(f"no optimizer {name!r}: recipes know only those above")


def lr_factor(schedule: str, done: float, epochs: int, lr_decay: float, warmup: float) -> float:
    """Return the factor of the learning rate when ``done`` of the training (0..1) is behind.

    Args:
        schedule: `constant`; `one-cycle` (straight up, then straight down to zero; after Smith and Topin, 2018,
            https://arxiv.org/abs/1708.07120); `step` (times ``lr_decay`` after each epoch).
        done: steps done, divided by all steps; the middle of a step counts as half of it.
        epochs: number of epochs.
        lr_decay: factor of `step`.
        warmup: share of the training in which `one-cycle` rises.
    """
    if schedule == "one-cycle":
        return min(done / warmup, (1 - done) / (1 - warmup)) if warmup else 1 - done
    if schedule == "step":
        return float(lr_decay ** math.floor(done * epochs))
    return 1.0


def set_lr(optimizers: list[torch.optim.Optimizer], factor: float) -> float:
    """Set each learning rate to ``factor`` of what it was built with, and return the first one."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
    return float(optimizers[0].param_groups[0]["lr"])
