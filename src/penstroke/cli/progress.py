"""Those who watch a training for the command line: progress on stderr, results on stdout, signals.

Imports torch, so verbs import it when they run, not before.
"""

import math
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import rich.progress
from rich.console import Console

from penstroke.cli.output import emit, percent, say, warn
from penstroke.training import EpochRow, Fitted, Progress, Sink, StopTraining


class LinePrinter(Sink):
    """A plain line on stderr every few batches, as the textbook prints them."""

    def __init__(self, every: int) -> None:
        self._every = every

    def stepped(self, progress: Progress) -> None:
        """Print epoch, images seen, per cent and loss."""
        if progress.step % self._every == 0 or progress.step == progress.steps:
            share = 100 * progress.images / progress.total_images
            emit(
                f"epoch {progress.epoch} [{progress.images}/{progress.total_images} ({share:.0f} %)] "
                f"training loss {progress.loss.item():.6f}",
                sys.stderr,
            )


class BarPrinter(Sink):
    """A bar for each epoch on a terminal; the loss is read every few batches, so as not to wait for the device."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._bar: rich.progress.Progress | None = None
        self._task = rich.progress.TaskID(0)
        self._drawn = 0.0

    def stepped(self, progress: Progress) -> None:
        """Draw epoch, images seen, per cent, loss and time left, ten times a second at most."""
        if self._bar is None:
            self._bar = progress_bar("loss {task.fields[loss]}")
            self._bar.start()
            self._task = self._bar.add_task(
                f"epoch {progress.epoch}/{progress.epochs}", total=progress.total_images, loss="-"
            )
        last = progress.step == progress.steps
        if last or (progress.step % self._every == 0 and time.monotonic() - self._drawn > 0.1):
            self._drawn = time.monotonic()
            self._bar.update(self._task, completed=progress.images, loss=f"{progress.loss.item():.4f}")
        if last:
            self.close()

    def close(self) -> None:
        """Leave the bar as it stands; the next step begins another."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class EpochPrinter(Sink):
    """A line on stdout after each epoch: what was measured."""

    def epoch_ended(self, row: EpochRow) -> None:
        """Print losses, right answers and seconds."""
        parts = [f"epoch {row.epoch}: training loss {row.train_loss:.4f}"]
        for name, found in (("test", row.test), ("validation", row.validation)):
            if found:
                parts.append(
                    f"{name} loss {found.loss:.4f}, {found.correct}/{found.total} right ({percent(found.accuracy)})"
                )
        say(", ".join(parts) + f", {row.seconds:.1f} s")


class SignalStop(Sink):
    """Ends the training at the next step boundary after SIGINT or SIGTERM; a second signal ends the program."""

    def __init__(self) -> None:
        self.received: int | None = None

    @property
    def exit_code(self) -> int:
        """0, or 128 and the signal's number."""
        return 128 + self.received if self.received else 0

    def stepped(self, progress: Progress) -> None:  # noqa: ARG002 - any step is a boundary
        """Stop if a signal came."""
        if self.received:
            raise StopTraining

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the two signals within the block."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what a handler gets
        if self.received:
            sys.exit(128 + number)
        self.received = number
        warn("stopping after this step; once more to stop at once")


def warn_of_guessing(fitted: Fitted) -> None:
    """Say aloud that a training ended no better than guessing."""
    guessing = math.log(len(fitted.description.classes))
    if fitted.history.epochs and fitted.history.epochs[-1].train_loss > 0.9 * guessing:
        warn(
            f"the network has learnt nothing: its training loss is {fitted.history.epochs[-1].train_loss:.3g}, and "
            f"guessing gives {guessing:.3g}; a smaller learning rate (--lr) or more epochs may help"
        )


def training_printer(every: int) -> Sink:
    """Return the printer that suits stderr: a bar on a terminal, plain lines elsewhere."""
    return BarPrinter(every) if sys.stderr.isatty() else LinePrinter(every)


def progress_bar(last_column: str) -> rich.progress.Progress:
    """Return a bar on stderr that ends with ``last_column``."""
    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn(last_column),
        console=Console(stderr=True),
    )


class Downloads:
    """Shows downloads on stderr: called with file, bytes so far and bytes in all."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Draw the bar, or say a plain line when a file begins and when it is done."""
        if not sys.stderr.isatty():
            if name not in self._tasks or (total is not None and done == total):
                self._tasks[name] = True
                emit(f"{name}: {done} of {total or '?'} bytes", sys.stderr)
            return
        if self._bar is None:
            self._bar = rich.progress.Progress(
                *rich.progress.Progress.get_default_columns(),
                rich.progress.DownloadColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done)
        if total is not None and all(task.finished for task in self._bar.tasks):
            self._bar.stop()
            self._bar = None
            self._tasks.clear()
