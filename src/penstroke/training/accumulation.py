"""A training step whose batch is computed in parts, one after the other, which needs less memory."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from penstroke.training.losses import Loss
from penstroke.training.optimizers import Optimizer
from penstroke.training.world import World


def accumulated_step(
    network: nn.Module,
    optimizers: Sequence[Optimizer],
    images: UInt8[Tensor, "part c h w"] | Float[Tensor, "part c h w"],
    labels: Int64[Tensor, "b"],
    loss_of: Loss,
    factor: float,
    world: World,
    *,
    parts: int,
) -> Float[Tensor, ""]:
    """Take the step of ``train_step``, and return the loss of the batch, on its device.

    The gradients of the parts are added. The result is that of the whole batch up to the rounding of float32; batch
    normalisation uses the statistics of each part. A loss of the caller must be a mean over the images.

    Args:
        network: returns log-probabilities for raw images; ``world`` has prepared it for parts.
        optimizers: together they train all parameters.
        images: raw or augmented images, 0..255; the part of the batch that this process computes.
        labels: class indices of the whole batch.
        loss_of: loss of log-probabilities and labels.
        factor: factor of the learning rates.
        world: rank of this process and number of processes.
        parts: number of parts of the images of each process.
    """
    generator = _generator(labels.device)
    state = generator.get_rng_state()
    total = torch.zeros((), device=labels.device)
    start = world.part(len(labels)).start
    network.zero_grad()
    for part in world.parts(len(labels), parts):
        generator.set_rng_state(state)  # the parts of the masks of dropout are those of one batch
        own = images[part.own.start - start : part.own.stop - start]
        total += world.backward(network, own, labels, loss_of, part)
    total = world.sum(network, total)
    if total.is_cpu and not math.isfinite(total.item()):
        return total  # see train_step
    for optimizer in optimizers:
        optimizer.step(factor)
    return total


def _generator(device: torch.device) -> Any:
    """Return the module whose random state is that of a device."""
    return torch if device.type == "cpu" else torch.get_device_module(device)
