"""Parts of a batch: the rows that each process computes at once. Does not import torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Int64
    from torch import Tensor


@dataclass(frozen=True)
class Part:
    """A part of a batch that all processes compute at once.

    Args:
        count: number of images in the batch.
        of_ranks: the rows of the batch that each process computes.
        rank: rank of this process.
    """

    count: int
    of_ranks: tuple[slice, ...]
    rank: int = 0

    @property
    def own(self) -> slice:
        """The rows of the batch that this process computes."""
        return self.of_ranks[self.rank]

    @property
    def lengths(self) -> list[int]:
        """The number of rows that each process computes."""
        return [rows.stop - rows.start for rows in self.of_ranks]

    @property
    def gathered(self) -> slice:
        """The rows of this process among those of the part, in the order of the processes."""
        start = sum(self.lengths[: self.rank])
        return slice(start, start + self.lengths[self.rank])

    def labels(self, labels: "Int64[Tensor, 'b']") -> "Int64[Tensor, 'm']":
        """Return the labels of the part, of all processes in order, among those of the batch."""
        import torch

        return torch.cat([labels[rows] for rows in self.of_ranks])


@dataclass
class Current:
    """What a process computes at the moment.

    Attributes:
        part: the part of a batch.
        stop: whether this process requests to stop, which the others learn in the next step.
        stops_later: whether such a request is possible: that step ends before the optimizers' and changes nothing.
    """

    part: Part = Part(0, (slice(0, 0),))
    stop: bool = False
    stops_later: bool = False
