"""The layer of a committee."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class MeanProbabilities(nn.ModuleList):
    """Networks from the same images to log-probabilities, and the logarithm of the mean of their probabilities."""

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the log-probabilities of raw images with pixels in 0..255."""
        log_probs = torch.stack([member(images) for member in self])
        return torch.logsumexp(log_probs, 0) - math.log(len(self))
