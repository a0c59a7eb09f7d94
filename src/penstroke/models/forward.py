"""The one way in which a network answers for images: eval mode, no gradient, in batches."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


def log_probabilities(
    model: nn.Module, images: UInt8[Tensor, "n c h w"], batch_size: int = 250
) -> Float[Tensor, "n classes"]:
    """Return the network's log-probabilities, ``float32`` on the images' device.

    The images are carried to the network's device batch by batch, so a set larger than that device's memory is
    no trouble. The network's mode (train or eval) is left as it was found.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            answers = [model(batch.to(device)).to(images.device) for batch in images.split(batch_size)]
    finally:
        model.train(was_training)
    return torch.cat(answers)
