"""The progress, the results and the state of a training run, as data. This module does not import torch."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstroke.evaluation import Score
from penstroke.training.freezing import Freezing

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from penstroke.models.description import Description
    from penstroke.networks.layers import Network
    from penstroke.training.optimizers import Optimizer


@dataclass(frozen=True)
class Progress:
    """The progress of a training run after one step."""

    epoch: int
    """Current epoch, from 1."""
    epochs: int
    """Number of epochs."""
    step: int
    """Completed steps of this epoch, from 1."""
    steps: int
    """Number of steps per epoch."""
    images: int
    """Images of this epoch that were used so far."""
    total_images: int
    """Number of images per epoch."""
    loss: "Tensor"
    """Mean loss of the batch, ``float32 []`` on the training's device; reading it waits for the device."""
    lr: float
    """Learning rate of the step."""


@dataclass(frozen=True)
class EpochRow:
    """The results of one epoch."""

    epoch: int
    """Number of the epoch, from 1."""
    step_losses: tuple[float, ...] = field(repr=False)
    """Mean loss of each batch."""
    train_loss: float
    """Mean loss over all images, each computed with the weights at its step."""
    seconds: float
    """Duration of the training steps, without the evaluation."""
    test: Score | None = None
    """Score on the test split, if the recipe evaluates it after each epoch."""
    validation: Score | None = None
    """Score on the validation split, if there is one."""
    test_seconds: float = 0.0
    """Duration of the evaluation."""
    calibrated: bool = False
    """Whether the calibrated model was measured, as after the last epoch of a training run with validation."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, without the losses of single steps."""
        return {
            "epoch": self.epoch,
            "train_loss": self.train_loss,
            "test": self.test.to_json() if self.test else None,
            "validation": self.validation.to_json() if self.validation else None,
            "seconds": self.seconds,
            "test_seconds": self.test_seconds,
            "calibrated": self.calibrated,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any], step_losses: tuple[float, ...]) -> "EpochRow":
        """Return the row that ``to_json`` wrote.

        Raises:
            KeyError, TypeError, ValueError: ``values`` is not a row.
        """
        return cls(
            epoch=int(values["epoch"]),
            step_losses=step_losses,
            train_loss=float(values["train_loss"]),
            seconds=float(values["seconds"]),
            test=Score.from_json(values["test"]) if values["test"] else None,
            validation=Score.from_json(values["validation"]) if values["validation"] else None,
            test_seconds=float(values["test_seconds"]),
            calibrated=bool(values["calibrated"]),
        )


@dataclass
class History:
    """The completed epochs of a training run."""

    epochs: list[EpochRow] = field(default_factory=list)
    finished: bool = False
    """Whether all epochs of the recipe were trained, or as many as its ``patience`` allows."""
    kept: int | None = None
    """The epoch whose weights are kept, from 1; None if no epoch was completed."""
    seconds: float = 0.0
    """Duration of the training, including evaluation; the data are in memory before it starts."""

    @property
    def kept_row(self) -> EpochRow | None:
        """The results of the epoch whose weights are kept."""
        return self.epochs[self.kept - 1] if self.kept else None


@dataclass
class State:
    """Everything, except recipe and data, that the rest of a training run depends on."""

    network: "Network"
    """The network that is trained, without calibration."""
    description: "Description"
    optimizers: "list[Optimizer]"
    losses: "Float[Tensor, 'steps']"
    """Mean loss of each batch of the current epoch, on the device; zero for steps that were not taken yet."""
    kept: "dict[str, Tensor]" = field(default_factory=dict)
    """The weights to keep, as a state dict, if they are not those of the last step: the best ones or the average."""
    freezing: Freezing = field(default_factory=Freezing)
    """The layers that are frozen in the first part of the training."""
    epoch: int = 1
    """Current epoch, from 1."""
    step: int = 0
    """Completed steps of the current epoch."""
    history: History = field(default_factory=History)
    started: float = field(default_factory=time.perf_counter)
    """Start of the training by ``time.perf_counter``; after a resumption, minus the time trained before."""
    epoch_started: float = field(default_factory=time.perf_counter)
    """The same for the current epoch."""

    def next_epoch(self, row: EpochRow) -> None:
        """Add the results of the current epoch to the history and start the next epoch."""
        self.history.epochs.append(row)
        self.epoch, self.step = self.epoch + 1, 0
        self.losses = self.losses.new_zeros(self.losses.shape)
        self.epoch_started = time.perf_counter()
