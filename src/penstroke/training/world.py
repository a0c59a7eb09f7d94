"""The processes that train one network together.

Training functions take a ``World`` as an argument. All communication between processes is behind its methods;
training in one process does not communicate. ``training.distributed`` implements several processes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from penstroke.errors import UsageError

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

    Raises:
        UsageError: the rank is not from 0 to ``size - 1``.
    """

    rank: int = 0
    size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise UsageError(f"rank is {self.rank}; it must be from 0 to {self.size - 1}, for {self.size} process(es).")

    def part(self, count: int) -> slice:
        """Return the contiguous part of a batch of ``count`` images that this process computes.

        The parts of all ranks are disjoint, cover the batch, and differ in size by at most one image.
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def any(self, flag: bool) -> bool:
        """Return whether ``flag`` is true in any process. All processes must call this at the same point."""
        return flag

    def from_first(self, value: Value) -> Value:
        """Return the value of the process of rank 0. The values of the others are ignored."""
        return value

    def prepare(self, network: "nn.Module") -> None:  # noqa: ARG002 - for several processes
        """Change the layers of a network that depend on the whole batch, before its first step.

        Raises:
            UsageError: there are several processes, and they are not connected.
        """
        if self.size > 1:
            raise UsageError(
                f"world has {self.size} processes, which are not connected.",
                "Pass the world that training.distributed.joined yields.",
            )

    def forward(
        self,
        network: "nn.Module",
        images: "UInt8[Tensor, 'part c h w'] | Float[Tensor, 'part c h w']",
        count: int,  # noqa: ARG002 - for several processes
    ) -> "Float[Tensor, 'b classes']":
        """Return the log-probabilities of a whole batch of ``count`` images.

        Args:
            network: the network, the same in all processes.
            images: the part of the batch that this process computes.
            count: number of images in the batch.
        """
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
