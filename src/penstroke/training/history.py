"""What happened in a training, as data, and the interface of those who watch it: printing is a sink."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from penstroke.evaluation import Score


@dataclass(frozen=True)
class Progress:
    """Where a training stands after one step."""

    epoch: int
    """From 1."""
    epochs: int
    step: int
    """Steps done in this epoch, from 1."""
    steps: int
    images: int
    """Images seen in this epoch."""
    total_images: int
    loss: Tensor
    """Mean loss of this batch, still on the device: reading it waits for the device."""
    lr: float


@dataclass(frozen=True)
class EpochRow:
    """One epoch: its losses, what was measured after it, and its time."""

    epoch: int
    """From 1."""
    step_losses: tuple[float, ...]
    """Mean loss of each batch."""
    train_loss: float
    """Mean loss over the epoch's images, each seen with the weights of its own step."""
    seconds: float
    """Training alone, without the measuring after it."""
    test: Score | None = None
    validation: Score | None = None
    test_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the losses of single steps."""
        return {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "test": self.test.to_json() if self.test else None,
            "validation": self.validation.to_json() if self.validation else None,
            "seconds": self.seconds,
            "test_seconds": self.test_seconds,
        }


@dataclass
class History:
    """All epochs that were trained to their end, and whether that was all of them."""

    epochs: list[EpochRow] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0
    """From the first look at the images to the end of the last measuring, data in memory."""


class StopTraining(Exception):
    """Raised by a sink to end the training at this step boundary."""


class Sink:
    """Watches a training; override what is of interest. A sink changes nothing, but may raise ``StopTraining``."""

    def stepped(self, progress: Progress) -> None:
        """A step was done."""

    def epoch_ended(self, row: EpochRow) -> None:
        """An epoch was trained and measured."""
