"""Callbacks of a training run for the command line: progress on stderr, epochs on stdout, signals. Imports torch."""

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from penstroke.cli.output import emit, percent, say, warn
from penstroke.cli.progress import progress_bar
from penstroke.training import Callback, EpochRow, Fitted, Progress, StopTraining

if TYPE_CHECKING:
    import rich.progress

_GUESSING = 0.9
"""Warn if the training loss is above this fraction of the loss of a uniform prediction."""
_DRAW_EVERY = 0.1
"""Seconds between two updates of the bar."""


class LinePrinter(Callback):
    """Prints a line on stderr every few batches, as the textbook does.

    Args:
        every: number of batches between two lines.
    """

    def __init__(self, every: int) -> None:
        self._every = every

    def on_step_end(self, progress: Progress) -> None:
        """Print epoch, images, percentage and loss."""
        if progress.step % self._every == 0 or progress.step == progress.steps:
            share = 100 * progress.images / progress.total_images
            emit(
                f"epoch {progress.epoch} [{progress.images}/{progress.total_images} ({share:.0f} %)] "
                f"training loss {progress.loss.item():.6f}",
                sys.stderr,
            )


class BarPrinter(Callback):
    """Draws a progress bar for each epoch.

    Args:
        every: number of batches between two readings of the loss; each reading waits for the device.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._bar: rich.progress.Progress | None = None
        self._task: Any = None
        self._drawn = 0.0

    def on_step_end(self, progress: Progress) -> None:
        """Draw epoch, images, percentage, loss and remaining time."""
        if self._bar is None:
            self._bar = progress_bar("loss {task.fields[loss]}")
            self._bar.start()
            self._task = self._bar.add_task(
                f"epoch {progress.epoch}/{progress.epochs}", total=progress.total_images, loss="-"
            )
        last = progress.step == progress.steps
        if last or (progress.step % self._every == 0 and time.monotonic() - self._drawn > _DRAW_EVERY):
            self._drawn = time.monotonic()
            self._bar.update(self._task, completed=progress.images, loss=f"{progress.loss.item():.4f}")
        if last:
            self.close()

    def close(self) -> None:
        """Stop the bar; the next step starts another one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class EpochPrinter(Callback):
    """Prints the measurements of each epoch on stdout."""

    def on_epoch_end(self, row: EpochRow) -> None:
        """Print losses, number of correct predictions and seconds."""
        kind = "calibrated " if row.calibrated else ""
        parts = [f"epoch {row.epoch}: training loss {row.train_loss:.4f}"]
        for name, score in (("test", row.test), ("validation", row.validation)):
            if score:
                parts.append(
                    f"{kind}{name} loss {score.loss:.4f}, "
                    f"{score.correct}/{score.total} correct ({percent(score.accuracy)})"
                )
        say(", ".join(parts) + f", {row.seconds:.1f} s")


class SignalStop(Callback):
    """Stops the training at the next step boundary after SIGINT or SIGTERM; a second signal ends the program."""

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def exit_code(self) -> int:
        """0, or 128 plus the number of the signal."""
        return 128 + self.received if self.received else 0

    def on_step_end(self, progress: Progress) -> None:  # noqa: ARG002 - the training can stop after any step
        """Stop if a signal was received."""
        if self.received:
            raise StopTraining

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the two signals within the block."""
        before = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self.received:
            sys.exit(128 + number)
        self.received = number
        warn("stopping after this step; repeat the signal to stop immediately")


def training_printer(every: int) -> Callback:
    """Return the printer for stderr: a bar on a terminal, otherwise lines."""
    return BarPrinter(every) if sys.stderr.isatty() else LinePrinter(every)


def warn_if_guessing(fitted: Fitted) -> None:
    """Warn if the training loss is close to that of a uniform prediction."""
    guessing = math.log(len(fitted.description.classes))
    if fitted.history.epochs and fitted.history.epochs[-1].train_loss > _GUESSING * guessing:
        warn(
            f"the network has not learned: its training loss is {fitted.history.epochs[-1].train_loss:.3g}, and "
            f"guessing gives {guessing:.3g}; try a smaller learning rate (--lr) or more epochs"
        )
