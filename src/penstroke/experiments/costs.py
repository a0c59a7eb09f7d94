"""The cost of a network: parameters, and floating-point operations for an image. Imports torch when it is used."""

from dataclasses import dataclass
from functools import lru_cache

from penstroke.networks import NetworkSpec


@dataclass(frozen=True)
class Cost:
    """The cost of a network.

    Args:
        parameters: number of trained parameters.
        forward_flops: floating-point operations for the prediction of one image.
        training_flops: the same for one image in a training step: forward and backward.
    """

    parameters: int
    forward_flops: int
    training_flops: int


@lru_cache(maxsize=256)
def network_cost(network: NetworkSpec, image_shape: tuple[int, int, int], classes: int) -> Cost:
    """Return the cost of a network.

    Matrix products and convolutions are counted, as by ``torch.utils.flop_counter``: a multiplication and an addition
    are two operations. Activations, pooling and the optimizer are not counted.

    Args:
        network: the network.
        image_shape: channels, height and width of the images.
        classes: number of classes.

    Raises:
        UsageError: the images are too small for the network.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    channels = image_shape[0]
    with torch.random.fork_rng(devices=[]):
        model = network.build(image_shape, classes, (0.5,) * channels, (0.5,) * channels).eval()
    images = torch.zeros(1, *image_shape, dtype=torch.uint8)
    with FlopCounterMode(display=False) as counter:
        log_probs = model(images)
        forward = counter.get_total_flops()
        log_probs.sum().backward()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Cost(parameters, forward, counter.get_total_flops())
