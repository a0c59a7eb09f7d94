"""Progress of downloads and of other work, on stderr. Imports rich only where a bar is drawn."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from penstroke.runtime.terminal import emit, progress_bar

if TYPE_CHECKING:
    import rich.progress


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
    """Prints the progress of downloads on stderr: a bar on a terminal, otherwise a line at the start and at the end."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Print the progress of one file.

        Args:
            name: the file.
            done: bytes downloaded so far.
            total: bytes in all, or None if unknown.
        """
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
