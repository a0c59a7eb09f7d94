"""The base class of the trackers: it collects the metrics of steps and epochs and handles errors of the service."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from penstroke.training.callbacks import Callback

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.runs import Run
    from penstroke.training.fitted import Fitted
    from penstroke.training.history import EpochRow, Progress, State

SEND_EVERY = 100
"""Steps that are sent together: reading a loss waits for the device, and each request takes time."""


class Scalar(NamedTuple):
    """One value of a metric."""

    name: str
    """For example ``train/loss`` or ``test/accuracy``."""
    value: float
    step: int
    """Steps since the start of the training, from 1."""


class Tracker(Callback):
    """Base class of the trackers. Subclasses implement ``start``, ``send`` and ``end``.

    An error of the service ends the tracking and is reported; the training continues.

    Args:
        report: called with one sentence if the tracking fails.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report, self._failed = report, False
        self._steps: list[Progress] = []
        self._last = 0
        self._started = False

    @abstractmethod
    def start(self, run: "Run", done: int) -> None:
        """Begin, or continue after ``done`` steps."""

    @abstractmethod
    def send(self, scalars: Sequence[Scalar]) -> None:
        """Send values, in the order of their steps."""

    @abstractmethod
    def end(self, run: "Run", data: "Dataset", fitted: "Fitted | None") -> None:
        """Complete the tracking; ``fitted`` is None if the training failed."""

    def on_run_start(self, run: "Run", data: "Dataset") -> None:
        """Keep the run and its data."""
        self._run, self._data = run, data

    def on_train_start(self, state: "State") -> None:
        """Begin at the step of the state."""
        self._last = (state.epoch - 1) * len(state.losses) + state.step
        self._started = True
        self._safely(lambda: self.start(self._run, self._last))

    def on_step_end(self, progress: "Progress") -> None:
        """Keep the step, and send several at once."""
        self._steps.append(progress)
        if len(self._steps) == SEND_EVERY:
            self._flush()

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Send the results of the epoch."""
        self._flush()
        scalars = [Scalar("train/epoch_loss", row.train_loss, self._last), Scalar("epoch", row.epoch, self._last)]
        for name, score in (("test", row.test), ("validation", row.validation)):
            if score:
                scalars.append(Scalar(f"{name}/loss", score.loss, self._last))
                scalars.append(Scalar(f"{name}/accuracy", score.accuracy, self._last))
        self._safely(lambda: self.send(scalars))

    def on_run_end(self, run: "Run", fitted: "Fitted | None") -> None:
        """Complete the tracking, unless the training failed before it started."""
        if self._started:
            self._flush()
            self._safely(lambda: self.end(run, self._data, fitted))

    def _flush(self) -> None:
        scalars = []
        for progress in self._steps:
            self._last = (progress.epoch - 1) * progress.steps + progress.step
            scalars.append(Scalar("train/loss", progress.loss.item(), self._last))
            scalars.append(Scalar("train/lr", progress.lr, self._last))
        self._steps.clear()
        if scalars:
            self._safely(lambda: self.send(scalars))

    def _safely(self, call: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001 - a service may fail in any way, and must not end the training
            self._failed = True
            self._report(f"the tracking by {type(self).__name__} ended: {type(error).__name__}: {error}")
