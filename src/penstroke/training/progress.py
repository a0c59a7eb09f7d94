"""Printers of the progress of a training run, for ``fit`` and for the command line."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstroke.runtime.terminal import emit, progress_bar
from penstroke.training.callbacks import Callback

if TYPE_CHECKING:
    import rich.progress

    from penstroke.training.history import EpochRow, Progress

_DRAW_EVERY = 0.1
"""Seconds between two updates of the bar."""


class LinePrinter(Callback):
    """Prints a line on stderr every few batches, as the textbook does.

    Args:
        every: number of batches between two lines.
    """

    def __init__(self, every: int) -> None:
        self._every = every

    def on_step_end(self, progress: "Progress") -> None:
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

    def on_step_end(self, progress: "Progress") -> None:
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
    """Prints the measurements of each epoch.

    Args:
        say: prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def on_epoch_end(self, row: "EpochRow") -> None:
        """Print losses, number of correct predictions and seconds."""
        kind = "calibrated " if row.calibrated else ""
        parts = [f"epoch {row.epoch}: training loss {row.train_loss:.4f}"]
        for name, score in (("test", row.test), ("validation", row.validation)):
            if score:
                parts.append(
                    f"{kind}{name} loss {score.loss:.4f}, "
                    f"{score.correct}/{score.total} correct ({100 * score.accuracy:.2f} %)"
                )
        self._say(", ".join(parts) + f", {row.seconds:.1f} s")


def training_printer(every: int) -> BarPrinter | LinePrinter:
    """Return the printer for stderr: a bar on a terminal, otherwise lines."""
    return BarPrinter(every) if sys.stderr.isatty() else LinePrinter(every)


@contextmanager
def progress_printers(wanted: bool, every: int) -> Iterator[tuple[Callback, ...]]:
    """Return the printers of ``fit``: a bar or lines, and a line for each epoch, all on stderr.

    The bar is closed at the end of the block, also if the training fails.

    Args:
        wanted: False returns no printers.
        every: number of batches between two lines, or two readings of the loss.
    """
    if not wanted:
        yield ()
        return
    steps = training_printer(every)
    try:
        yield steps, EpochPrinter(lambda text: emit(text, sys.stderr))
    finally:
        if isinstance(steps, BarPrinter):
            steps.close()
