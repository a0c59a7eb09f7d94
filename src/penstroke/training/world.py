"""The processes that train one network together.

Training functions take a ``World`` as an argument. All communication between processes is behind its methods;
training in one process does not communicate. ``training.distributed`` implements several processes.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from penstroke.errors import UsageError
from penstroke.training.parts import Current, Part

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from torch import Tensor, nn

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    """The rank of this process and the number of processes of a training run.

    Args:
        rank: number of this process, from 0.
        size: number of processes.
        current: the part of a batch that is computed at the moment.

    Raises:
        UsageError: the rank is not from 0 to ``size - 1``.
    """

    rank: int = 0
    size: int = 1
    current: Current = field(default_factory=Current, compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise UsageError(f"rank is {self.rank}; it must be from 0 to {self.size - 1}, for {self.size} process(es).")

    def part(self, count: int) -> slice:
        """Return the contiguous part of a batch of ``count`` images that this process computes.

        The parts of all ranks are disjoint, cover the batch, and differ in size by at most one image.
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def parts(self, count: int, number: int) -> list[Part]:
        """Return the parts in which a batch of ``count`` images is computed, one after the other.

        Each process computes its part of the batch, ``part(count)``, in contiguous pieces.

        Args:
            count: number of images in the batch.
            number: number of parts; fewer if a process has fewer images.
        """
        number = max(1, min(number, count // self.size))
        whole = [World(rank, self.size).part(count) for rank in range(self.size)]

        def piece(rows: slice, index: int) -> slice:
            length = rows.stop - rows.start
            return slice(rows.start + length * index // number, rows.start + length * (index + 1) // number)

        return [Part(count, tuple(piece(rows, index) for rows in whole), self.rank) for index in range(number)]

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process. All processes must call this at the same point."""
        return flag

    def from_first(self, value: Value) -> Value:
        """Return the value of the process of rank 0. The values of the others are ignored."""
        return value

    def prepare(self, network: "nn.Module", parts: int = 1) -> None:
        """Change the layers of a network that depend on the whole batch, before its first step.

        Args:
            network: the network.
            parts: number of parts in which a batch is computed.

        Raises:
            UsageError: there are several processes, and they are not connected.
        """
        if self.size > 1:
            raise UsageError(
                f"world has {self.size} processes, which are not connected.",
                "Pass the world that training.distributed.joined yields.",
            )
        if parts > 1:
            from penstroke.training.shared_dropout import share_dropout

            share_dropout(network, self.current)

    def forward(
        self,
        network: "nn.Module",
        images: "UInt8[Tensor, 'part c h w'] | Float[Tensor, 'part c h w']",
        count: int,  # noqa: ARG002 - for several processes
        part: Part | None = None,
    ) -> "Float[Tensor, 'b classes']":
        """Return the log-probabilities of a whole batch of ``count`` images, or of a part of it.

        Args:
            network: the network, the same in all processes.
            images: the images that this process computes.
            count: number of images in the batch.
            part: the part that is computed; None for the whole batch.
        """
        if part:
            self.current.part = part
        return network(images)

    def sum_gradients(self, network: "nn.Module") -> None:
        """Replace the gradients by their sums over all processes."""

    def whole(
        self,
        part: "Float[Tensor, 'part d']",
        count: int,  # noqa: ARG002 - for several processes
    ) -> "Float[Tensor, 'n d']":
        """Return the rows of all processes.

        Args:
            part: the rows that this process computed, those of ``part(count)``.
            count: number of rows of all processes.
        """
        return part
