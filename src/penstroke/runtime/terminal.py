"""Output to the terminal: lines, and progress bars. Imports rich only where a bar is made."""

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import rich.progress


def emit(text: str, stream: TextIO, end: str = "\n") -> None:
    """Print a line. If the reader, such as ``head``, has closed the pipe, discard this line and all later ones."""
    try:
        print(text, file=stream, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress_bar(last_column: str) -> "rich.progress.Progress":
    """Return a bar on stderr that ends with ``last_column``."""
    import rich.progress
    from rich.console import Console

    return rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TaskProgressColumn(),
        rich.progress.TimeRemainingColumn(),
        rich.progress.TextColumn(last_column),
        console=Console(stderr=True),
        # Redirected lines appear above the bar on the terminal. In a file or a pipe, they must not be redirected.
        redirect_stdout=sys.stdout.isatty(),
    )
