"""What happened in a training, as data, and the interface of those who watch it: printing is a sink."""

import time
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from penstroke.evaluation import Score
from penstroke.models.description import Description


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

    @classmethod
    def from_json(cls, values: dict[str, Any], step_losses: tuple[float, ...]) -> "EpochRow":
        """Return the row of which ``to_json`` wrote ``values``.

        Raises:
            KeyError, TypeError, ValueError: it is not one.
        """
        return cls(
            epoch=int(values["epoch"]),
            step_losses=step_losses,
            train_loss=float(values["train_loss"]),
            seconds=float(values["seconds"]),
            test=Score.from_json(values["test"]) if values["test"] else None,
            validation=Score.from_json(values["validation"]) if values["validation"] else None,
            test_seconds=float(values["test_seconds"]),
        )


@dataclass
class History:
    """All epochs that were trained to their end, and whether that was all of them."""

    epochs: list[EpochRow] = field(default_factory=list)
    finished: bool = False
    seconds: float = 0.0
    """From the first look at the images to the end of the last measuring, data in memory."""


@dataclass
class State:
    """A training between two steps: all that the rest of it hangs on, apart from recipe and data."""

    model: nn.Module
    description: Description
    optimizers: list[torch.optim.Optimizer]
    losses: Float[Tensor, "steps"]
    """Mean loss of each batch of the epoch under way, on the device; zero where there was no step yet."""
    epoch: int = 1
    """The epoch under way, from 1."""
    step: int = 0
    """Steps done in it."""
    history: History = field(default_factory=History)
    began: float = field(default_factory=time.perf_counter)
    """When the training began, on the clock of ``time.perf_counter``; moved back by what was trained before a break."""
    epoch_began: float = field(default_factory=time.perf_counter)
    """The same for the epoch under way."""

    def next_epoch(self, row: EpochRow) -> None:
        """End the epoch under way, of which ``row`` is the record."""
        self.history.epochs.append(row)
        self.epoch, self.step = self.epoch + 1, 0
        self.losses = torch.zeros_like(self.losses)
        self.epoch_began = time.perf_counter()


class StopTraining(Exception):
    """Raised by a sink to end the training at this step boundary."""


class Sink:
    """Watches a training; override what is of interest. A sink changes nothing, but may raise ``StopTraining``."""

    def begun(self, state: State) -> None:
        """The training is about to take its first step, or to go on. ``state`` stays up to date until it ends."""

    def stepped(self, progress: Progress) -> None:
        """A step was done."""

    def epoch_ended(self, row: EpochRow) -> None:
        """An epoch was trained and measured."""
