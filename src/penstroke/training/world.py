"""The processes that train one network together.

Training functions take a ``World`` as an argument. All communication between processes belongs in this module; training
in one process does not communicate.
"""

from dataclasses import dataclass

from penstroke.errors import UsageError


@dataclass(frozen=True)
class World:
    """The rank of this process and the number of processes of a training run.

    Args:
        rank: number of this process, from 0.
        size: number of processes.

    Raises:
        UsageError: the rank is not from 0 to ``size - 1``.
    """

    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise UsageError(f"rank is {self.rank}; it must be from 0 to {self.size - 1}, for {self.size} process(es).")

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process. All processes must call this at the same point.

        Raises:
            NotImplementedError: there are several processes; a subclass implements their communication.
        """
        if self.size > 1:
            raise NotImplementedError(f"World.any needs a process group for {self.size} processes")
        return flag

    def part(self, count: int) -> slice:
        """Return the contiguous part of a batch of ``count`` images that this process computes.

        The parts of all ranks are disjoint, cover the batch, and differ in size by at most one image.
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
