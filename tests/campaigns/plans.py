"""Watchers for ``disk.watched``: count the operations, make one fail, or kill the process at one."""

import os
import signal
from dataclasses import dataclass, field

from penstroke.storage.disk import Operation


@dataclass
class Count:
    """Counts operations and stores their kinds."""

    kinds: list[str] = field(default_factory=list)

    def __call__(self, operation: Operation) -> None:
        self.kinds.append(operation.kind)


@dataclass
class Fail:
    """Makes operation ``at``, counted from 1, fail with an error number; if ``lasting``, all later ones fail, too."""

    at: int
    number: int
    lasting: bool = False
    seen: int = 0

    def __call__(self, operation: Operation) -> None:
        self.seen += 1
        if self.seen == self.at or (self.lasting and self.seen > self.at):
            raise OSError(self.number, os.strerror(self.number))


@dataclass
class Kill:
    """Kills the process before operation ``at``, counted from 1."""

    at: int
    seen: int = 0

    def __call__(self, operation: Operation) -> None:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
