"""Learning rate schedules: pure functions of the completed fraction of a training run."""

import math
from typing import assert_never

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
