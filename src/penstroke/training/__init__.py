"""Training: the loop, the optimizers, the history, and the run that a training leaves behind."""

from penstroke.training.history import EpochRow, History, Progress, Sink, StopTraining
from penstroke.training.loop import Fitted, fit, train_epoch, train_step

__all__ = [
    "EpochRow", "Fitted", "History", "Progress", "Sink", "StopTraining", "fit", "train_epoch", "train_step",
]  # fmt: skip
