"""Learning rate schedules: pure functions of the completed fraction of a training run."""

import math
from typing import Literal, assert_never

from penstroke.recipes.parts import Constant, OneCycle, Schedule, StepDecay


def lr_factor(schedule: Schedule, done: float, epochs: int) -> float:
    """Return the factor of the learning rate at one point of a training run.

    ``one-cycle`` rises linearly, then falls linearly to zero (after Smith and Topin, 2018,
    https://arxiv.org/abs/1708.07120). ``step`` multiplies by ``lr_decay`` after each epoch.

    Args:
        schedule: the schedule and its options.
        done: completed fraction of the training, 0..1.
        epochs: number of epochs.
    """
    match schedule:
        case Constant():
            return 1.0
        case OneCycle(warmup=warmup):
            return min(done / warmup, (1 - done) / (1 - warmup)) if warmup else 1 - done
        case StepDecay(lr_decay=lr_decay):
            return float(lr_decay ** math.floor(done * epochs))
    assert_never(schedule)


def scaling_factor(scaling: Literal["none", "linear", "sqrt"], warmup: float, processes: int, done: float) -> float:
    """Return the factor of the learning rates for batches that grow with the number of processes.

    The linear rule, and its gradual warm-up, are those of Goyal et al., 2017, https://arxiv.org/abs/1706.02677; the
    square root is that of Krizhevsky, 2014, https://arxiv.org/abs/1404.5997.

    Args:
        scaling: the rule.
        warmup: fraction of the training in which the factor rises linearly from 1.
        processes: number of processes.
        done: completed fraction of the training, 0..1.
    """
    if scaling == "none":
        return 1.0
    full = float(processes) if scaling == "linear" else math.sqrt(processes)
    return 1 + (full - 1) * (min(1.0, done / warmup) if warmup else 1.0)
