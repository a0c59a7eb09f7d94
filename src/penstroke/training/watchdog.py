"""A limit on the time without progress, for a process that waits for others."""

import faulthandler
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from penstroke.training.callbacks import Callback
from penstroke.training.history import EpochRow, Progress

LIMIT = 60.0
"""Seconds that a step may take."""
EVALUATION = 10
"""Factor of the limit for the evaluation after an epoch."""


class Watchdog(Callback):
    """Ends the process if a step takes too long, and prints the stack of each thread on stderr before.

    Args:
        limit: seconds that a step may take; an evaluation may take ten times as long.
    """

    def __init__(self, limit: float = LIMIT) -> None:
        self._limit, self._armed = limit, 0.0

    def on_step_end(self, progress: Progress) -> None:
        """Allow the next step, or the evaluation, its time."""
        if progress.step == progress.steps:
            self._arm(EVALUATION)
        elif time.monotonic() - self._armed > self._limit / 100:  # setting the timer starts a thread
            self._arm(1)

    def on_epoch_end(self, row: EpochRow) -> None:  # noqa: ARG002 - every epoch is alike
        """Allow the next step its time."""
        self._arm(1)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Stop the timer at the end of the block."""
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _arm(self, factor: int) -> None:
        self._armed = time.monotonic()
        faulthandler.dump_traceback_later(factor * self._limit, exit=True, file=sys.__stderr__ or 2)
