"""Loss functions of log-probabilities and labels, averaged over a batch."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from penstroke.synthesis import NO_CLASS

Loss = Callable[[Float[Tensor, "b classes"], Int64[Tensor, "b"]], Float[Tensor, ""]]


def build_loss(label_smoothing: float, outliers: float) -> Loss:
    """Return the loss function of a training run.

    Args:
        label_smoothing: fraction of the label that is distributed evenly over all classes, 0..1.
        outliers: fraction of images labelled ``NO_CLASS`` in each batch.
    """
    if not (label_smoothing or outliers):
        return F.nll_loss
    return partial(smoothed_nll, smoothing=label_smoothing)


def smoothed_nll(
    log_probs: Float[Tensor, "b classes"], labels: Int64[Tensor, "b"], smoothing: float
) -> Float[Tensor, ""]:
    """Return the negative log-likelihood with label smoothing.

    Args:
        log_probs: log-probabilities.
        labels: class indices; the target of ``NO_CLASS`` is the uniform distribution over all classes.
        smoothing: fraction of the label that is distributed evenly over all classes, 0..1.
    """
    uniform = torch.where(labels == NO_CLASS, 1.0, smoothing)
    likelihood = log_probs.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    return -((1 - uniform) * likelihood + uniform * log_probs.mean(1)).mean()
