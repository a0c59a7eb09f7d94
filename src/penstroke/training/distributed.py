"""Training in several processes that ``torchrun`` starts, on one machine or many.

All processes take the same steps: each computes a contiguous part of every batch, and its share of the loss. One
message for each step adds the gradients and the losses, and carries requests to stop. The result is that of one process
with the same recipe, up to the rounding of float32: normalisation over the batch uses the statistics of the whole
batch, and dropout masks are parts of the mask of the whole batch.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, distributed, nn
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from penstroke.errors import ProcessError
from penstroke.networks.layers import Normalise
from penstroke.training.callbacks import StopTraining
from penstroke.training.launch import Launch
from penstroke.training.losses import Loss, is_mean, share_of
from penstroke.training.optimizers import Optimizer
from penstroke.training.optimizers.flat import in_memory_order
from penstroke.training.optimizers.muon import Muon
from penstroke.training.parts import Part
from penstroke.training.shared_batch_norm import SharedBatchNorm
from penstroke.training.shared_dropout import share_dropout
from penstroke.training.world import Value, World

TIMEOUT = timedelta(minutes=5)
"""Time that a process waits for another one before it fails."""
Result = TypeVar("Result")


@contextmanager
def joined(launched: Launch, device: torch.device) -> Iterator[World]:
    """Connect the processes of a launch within the block.

    Args:
        launched: the launch of this process. One process is not connected to anything.
        device: device of the training. GPUs communicate with NCCL, CPUs with gloo.

    Raises:
        ProcessError: a process cannot be reached.
    """
    world = launched.world
    if world.size == 1:
        yield world
        return
    backend = "nccl" if device.type == "cuda" else "gloo"

    def connect() -> None:
        store, _, _ = next(iter(rendezvous("env://", world.rank, world.size, timeout=TIMEOUT)))
        if launched.kept_store:
            store = PrefixStore(f"restart-{launched.restarts}", store)
        distributed.init_process_group(backend, store=store, rank=world.rank, world_size=world.size, timeout=TIMEOUT)

    _checked(connect)
    try:
        yield Processes(world.rank, world.size, device)
    finally:
        distributed.destroy_process_group()


@dataclass(frozen=True)
class Processes(World):
    """Several processes, connected by PyTorch's process group.

    Args:
        device: device of the tensors that are exchanged.

    Raises:
        ProcessError: raised by each method if another process has ended or does not answer.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def any(self, flag: bool, *, later: bool = False) -> bool:
        """Return whether ``flag`` is true in any process; see ``World.any``."""
        if later and self.current.stops_later:
            self.current.stop = flag
            return False
        value = torch.tensor(float(flag), device=self.device)
        _checked(lambda: distributed.all_reduce(value, distributed.ReduceOp.MAX))
        return bool(value)

    def from_first(self, value: Value) -> Value:
        """Return the value of rank 0; see ``World.from_first``."""
        values = [value]
        _checked(lambda: distributed.broadcast_object_list(values, 0, device=self.device))
        return values[0]

    def prepare(
        self,
        network: nn.Module,
        parts: int = 1,  # noqa: ARG002 - dropout is shared in any case
        optimizers: Sequence[Optimizer] = (),
    ) -> None:
        """Replace layers of dropout and batch normalisation by those of the whole batch; see ``World.prepare``."""
        share_dropout(network, self.current)
        for module in list(network.modules()):
            for name, layer in module.named_children():
                if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                    setattr(module, name, SharedBatchNorm(layer, self._sums))
        # A step that is not finished may have changed buffers, such as the statistics of batch normalisation.
        changed = [layer for layer in network.modules() if layer._buffers and not isinstance(layer, Normalise)]
        self.current.stops_later = not changed
        for optimizer in optimizers:
            if isinstance(optimizer, Muon):
                optimizer.by_gram = True

    def backward(
        self,
        network: nn.Module,
        images: UInt8[Tensor, "part c h w"] | Float[Tensor, "part c h w"],
        labels: Int64[Tensor, "b"],
        loss_of: Loss,
        part: Part | None = None,
    ) -> Float[Tensor, ""]:
        """Add the gradients of the images of this process, and return their share of the loss; see ``World.backward``.

        A loss that is a mean over the images is computed from those of this process. Any other one is computed in each
        process from the log-probabilities of all images, and returned by the process of rank 0 alone.
        """
        self.current.part = part = part or self.parts(len(labels), 1)[0]
        log_probs, own = network(images), labels[part.own]
        if not is_mean(loss_of):
            whole = _Whole.apply(log_probs, self, part)  # type: ignore[no-untyped-call]
            loss = loss_of(whole, part.labels(labels)) * (sum(part.lengths) / part.count)
        elif len(own):
            loss = loss_of(log_probs, own) * share_of(loss_of, own, labels)
        else:  # the mean of no images is NaN
            loss = log_probs.sum()
        loss.backward()
        return loss.detach() if is_mean(loss_of) or self.rank == 0 else torch.zeros_like(loss)

    def sum(self, network: nn.Module, loss: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Add gradients, losses and requests to stop in one message; see ``World.sum``."""
        weights = [(weight, weight.grad) for weight in network.parameters() if weight.grad is not None]
        stop, self.current.stop = loss.new_tensor([self.current.stop]), False
        message = torch.cat([*(in_memory_order(gradient) for _, gradient in weights), loss.view(1), stop])
        self._add(message)
        if message[-1]:
            raise StopTraining
        start = 0
        for weight, gradient in weights:
            weight.grad = message.as_strided(gradient.shape, gradient.stride(), start).to(gradient.dtype)
            start += gradient.numel()
        return message[-2]

    def _add(self, values: Float[Tensor, "n"]) -> None:
        """Replace values by their sums over all processes."""
        if self.size > 2 or self.device.type != "cpu":
            _checked(lambda: distributed.all_reduce(values))
            return
        # Two processes send each other their values, which takes about half of the time of gloo's all_reduce.
        others, other = torch.empty_like(values), 1 - self.rank
        send, receive = distributed.isend, distributed.irecv
        both = [distributed.P2POp(send, values, other), distributed.P2POp(receive, others, other)]
        for message in _checked(lambda: distributed.batch_isend_irecv(both)):
            _checked(message.wait)
        values += others

    def _sums(self, values: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        """Return the sums of a few values over all processes, for which an all-gather takes least time with gloo."""
        return self.gather(values[None], [1] * self.size).sum(0)

    def whole(self, part: Float[Tensor, "part d"], count: int) -> Float[Tensor, "n d"]:
        """Return the rows of all processes; see ``World.whole``."""
        return self.gather(part, self.parts(count, 1)[0].lengths)

    def gather(self, rows: Float[Tensor, "part d"], lengths: Sequence[int]) -> Float[Tensor, "n d"]:
        """Return the rows of all processes in order.

        Args:
            rows: the rows of this process.
            lengths: number of rows of each process.
        """
        own = rows.new_zeros(max(lengths), *rows.shape[1:], device=self.device)  # messages of the same length
        own[: len(rows)] = rows
        parts = [torch.empty_like(own) for _ in lengths]
        _checked(lambda: distributed.all_gather(parts, own))
        whole = torch.cat([each[:length] for each, length in zip(parts, lengths, strict=True)])
        return whole.to(rows.device)


class _Whole(torch.autograd.Function):
    """The rows of all processes. Each process computes the same loss from them, and takes its part of the gradient."""

    @staticmethod
    def forward(context: Any, rows: Tensor, world: Processes, part: Part) -> Tensor:
        context.rows = part.gathered
        return world.gather(rows.detach(), part.lengths)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient[context.rows], None, None


def _checked(call: Callable[[], Result]) -> Result:
    """Return what a communication returns.

    Raises:
        ProcessError: another process has ended or does not answer.
    """
    try:
        return call()
    except RuntimeError as error:
        reason = re.sub(r"\[/\S+\] ", "", str(error).strip().splitlines()[0]).split(". ")[0]
        raise ProcessError(
            f"The connection to another process of the training is lost: {reason}.",
            "The output of the other processes has the cause. torchrun --max-restarts 3 starts all of them again; the "
            "training then continues from its latest checkpoint.",
        ) from error
