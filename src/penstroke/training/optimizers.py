"""Optimizers by name, and the learning rate as a pure function of how far the training is."""

import math
from collections.abc import Iterable

import torch
from torch import nn


def build_optimizer(
    name: str, parameters: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return the optimizer called ``name`` (one of ``recipes.OPTIMIZERS``)."""
    # `fused` does a step in one pass over memory, where PyTorch offers it; `foreach` in one call for each operation.
    match name:
        case "adadelta":
            return torch.optim.Adadelta(parameters, lr=lr, weight_decay=weight_decay, foreach=True)
        case "adam":
            return torch.optim.Adam(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum, foreach=True)
        case "sgd":
            return torch.optim.SGD(parameters, lr=lr, weight_decay=weight_decay, momentum=momentum, fused=True)
    raise AssertionError(f"no optimizer {name!r}: recipes know only those above")


def lr_factor(schedule: str, done: float, epochs: int, lr_decay: float) -> float:
    """Return the factor of the learning rate when ``done`` of the training (0..1) is behind.

    Args:
        schedule: `constant`; `one-cycle` (a straight rise over the first quarter, a cosine fall to zero; after
            Smith and Topin, 2018, https://arxiv.org/abs/1708.07120); `step` (times ``lr_decay`` after each epoch).
        done: steps done, divided by all steps.
        epochs: number of epochs.
        lr_decay: factor of `step`.
    """
    if schedule == "one-cycle":
        return max(done, 0.01) / 0.25 if done < 0.25 else (1 + math.cos(math.pi * (done - 0.25) / 0.75)) / 2
    if schedule == "step":
        return float(lr_decay ** math.floor(done * epochs + 1e-9))
    return 1.0


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Make ``lr`` the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
