"""What a step makes smaller: functions of log-probabilities and labels, averaged over a batch."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from penstroke.data.augment import NO_CLASS

Loss = Callable[[Float[Tensor, "b classes"], Int64[Tensor, "b"]], Float[Tensor, ""]]


def smoothed_nll(
    answers: Float[Tensor, "b classes"], labels: Int64[Tensor, "b"], smoothing: float
) -> Float[Tensor, ""]:
    """Return the negative log-likelihood of labels of which a share is spread over all classes alike.

    Args:
        answers: log-probabilities.
        labels: index of each image's class; ``NO_CLASS`` asks for all classes alike.
        smoothing: the share, 0..1.
    """
    spread = torch.where(labels == NO_CLASS, 1.0, smoothing)
    likelihood = answers.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    return -((1 - spread) * likelihood + spread * answers.mean(1)).mean()
