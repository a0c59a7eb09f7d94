"""The processes that train one network together.

Training functions take a ``World`` as an argument. All communication between processes is behind its methods;
training in one process does not communicate. ``training.distributed`` implements several processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from penstroke.errors import UsageError
from penstroke.training.parts import Current, Part

if TYPE_CHECKING:
    from jaxtyping import Float, Int64, UInt8
    from torch import Tensor, nn

    from penstroke.training.losses import Loss
    from penstroke.training.optimizers import Optimizer

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

    def any(self, flag: bool, *, later: bool = False) -> bool:  # noqa: ARG002 - for several processes
        """Return whether ``flag`` is true in any process. All processes must call this at the same point.

        Args:
            flag: the flag of this process.
            later: whether the flag is a request to stop, of which the other processes may learn in the next step.
                ``sum`` then raises ``StopTraining`` in all processes, and that step changes nothing.
        """
        return flag

    def from_first(self, value: Value) -> Value:
        """Return the value of the process of rank 0. The values of the others are ignored."""
        return value

    def prepare(
        self,
        network: "nn.Module",
        parts: int = 1,
        optimizers: "Sequence[Optimizer]" = (),  # noqa: ARG002 - for several processes
    ) -> None:
        """Change the layers of a network that depend on the whole batch, before its first step.

        Args:
            network: the network.
            parts: number of parts in which a batch is computed.
            optimizers: its optimizers. In several processes, which compute the same step each, they use the fastest
                form; one process keeps the rounding of earlier versions.

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

    def backward(
        self,
        network: "nn.Module",
        images: "UInt8[Tensor, 'part c h w'] | Float[Tensor, 'part c h w']",
        labels: "Int64[Tensor, 'b']",
        loss_of: "Loss",
        part: Part | None = None,
    ) -> "Float[Tensor, '']":
        """Add the gradients of the loss of a batch, or of a part of it, to those of the network; return the loss.

        With several processes, gradients and loss are terms of sums over all of them; see ``sum``.

        Args:
            network: returns log-probabilities, the same in all processes.
            images: the images that this process computes.
            labels: labels of the whole batch.
            loss_of: loss of log-probabilities and labels; a mean over the images if there is a part.
            part: the part that is computed; None for the whole batch.
        """
        if part is None:
            loss = loss_of(network(images), labels)
        else:
            from penstroke.training.losses import share_of

            self.current.part, labels_of_part = part, part.labels(labels)
            loss = loss_of(network(images), labels_of_part) * share_of(loss_of, labels_of_part, labels)
        loss.backward()
        return loss.detach()

    def sum(
        self,
        network: "nn.Module",  # noqa: ARG002 - for several processes
        loss: "Float[Tensor, '']",
    ) -> "Float[Tensor, '']":
        """Replace the gradients by their sums over all processes, and return the sum of the losses.

        Args:
            network: its gradients are those of ``backward``.
            loss: the sum of the losses that ``backward`` returned.

        Raises:
            StopTraining: a process requested it after the step before; see ``any``.
        """
        return loss

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
