"""Training: the loop, the optimizers, checkpoints, and run folders.

Importing this package does not import torch; names that need it are imported on first use.
"""

from typing import TYPE_CHECKING

import lazy_loader

from penstroke.training.callbacks import Callback, StopTraining
from penstroke.training.interval import CheckpointInterval
from penstroke.training.world import World

if TYPE_CHECKING:
    from penstroke.training.fitted import Fitted
    from penstroke.training.history import EpochRow, History, Progress, State
    from penstroke.training.loop import fit, train_epoch, train_step
    from penstroke.training.recorder import follow_run, resume_run, train_run

__all__ = [
    "Callback",
    "CheckpointInterval",
    "EpochRow",
    "Fitted",
    "History",
    "Progress",
    "State",
    "StopTraining",
    "World",
    "fit",
    "follow_run",
    "resume_run",
    "train_epoch",
    "train_run",
    "train_step",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "fitted": ["Fitted"],
        "history": ["EpochRow", "History", "Progress", "State"],
        "loop": ["fit", "train_epoch", "train_step"],
        "recorder": ["follow_run", "resume_run", "train_run"],
    },
)
