"""Signals that stop a training run, for the command line. Imports torch."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from penstroke.cli.output import warn
from penstroke.training import Callback, Progress, StopTraining


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
