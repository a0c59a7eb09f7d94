"""Progress of downloads and of other work, on stderr. Imports rich only where a bar is drawn."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstroke.runtime.terminal import emit, progress_bar

if TYPE_CHECKING:
    import rich.progress

BAR_AFTER = 0.5
"""Seconds of decoding after which a bar is drawn: most datasets are decoded before."""
LINE_EVERY = 5.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def counter(what: str) -> Iterator[Callable[[int, int], None]]:
    """Return a function that prints the number of finished pieces of work and their total: a bar, otherwise lines.

    Args:
        what: what is counted, for example ``networks trained``.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: emit(f"{done} of {total} {what}", sys.stderr)
        return
    with progress_bar("") as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class Downloads:
    """Prints the progress of downloads, and of long decoding of pictures, on stderr.

    It is a bar on a terminal. Otherwise it is a line at the start and at the end of a download, and every
    ``LINE_EVERY`` seconds of decoding.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._pictures = Pictures()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Print the progress of one file, or of pictures.

        Args:
            name: the file, or ``data.transfer.PICTURES``.
            done: bytes downloaded, or pictures decoded, so far.
            total: bytes or pictures in all, or None if unknown.
        """
        from penstroke.data.transfer import PICTURES

        if name == PICTURES and total is not None:
            self._pictures(done, total)
            return
        if not sys.stderr.isatty():
            if name not in self._tasks or (total is not None and done == total):
                self._tasks[name] = True
                emit(f"{name}: {done} of {total or '?'} bytes", sys.stderr)
            return
        if self._bar is None:
            self._bar = self._start_bar()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(self._tasks[name], completed=done)
        if total is not None and all(task.finished for task in self._bar.tasks):
            self._bar.stop()
            self._bar = None
            self._tasks.clear()

    @staticmethod
    def _start_bar() -> "rich.progress.Progress":
        import rich.progress
        from rich.console import Console

        bar = rich.progress.Progress(
            *rich.progress.Progress.get_default_columns(), rich.progress.DownloadColumn(), console=Console(stderr=True)
        )
        bar.start()
        return bar


class Pictures:
    """Prints the number of decoded pictures on stderr, if decoding takes long: a bar on a terminal, otherwise lines."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._next: float | None = None

    def __call__(self, done: int, total: int) -> None:
        """Print the progress, if it is due."""
        terminal = sys.stderr.isatty()
        now = time.monotonic()
        if self._next is None:
            self._next = now + (BAR_AFTER if terminal else LINE_EVERY)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
        elif now >= self._next and done < total:
            self._next = now + LINE_EVERY
            if terminal:
                self._bar = progress_bar("")
                self._bar.add_task("pictures decoded", total=total, completed=done)
                self._bar.start()
            else:
                emit(f"{done} of {total} pictures decoded", sys.stderr)
        if done >= total:
            if self._bar is not None:
                self._bar.stop()
            self._bar = self._next = None
