"""Loss functions of log-probabilities and labels, averaged over a batch."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from penstroke.errors import UsageError
from penstroke.schema import shown
from penstroke.synthesis import NO_CLASS

Loss = Callable[[Float[Tensor, "b classes"], Int64[Tensor, "b"]], Float[Tensor, ""]]


def build_loss(label_smoothing: float, outliers: float, own: Loss | None = None) -> Loss:
    """Return the loss function of a training run.

    Args:
        label_smoothing: fraction of the label that is distributed evenly over all classes, 0..1.
        outliers: fraction of images labelled ``NO_CLASS`` in each batch.
        own: the loss function that the caller of ``fit`` passed. What it returns is checked.

    Raises:
        UsageError: ``own`` is not a function, or the recipe has options of the loss that it replaces.
    """
    if own is not None:
        return _own_loss(own, label_smoothing, outliers)
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


def _own_loss(own: Loss, label_smoothing: float, outliers: float) -> Loss:
    """Return the caller's loss function with a check of what it returns."""
    if not callable(own):
        raise UsageError(
            f"loss is {shown(own)} ({type(own).__name__}); it must be a function of log-probabilities and labels.",
            "Pass a function, for example loss=torch.nn.NLLLoss().",
        )
    options = {"label_smoothing": label_smoothing, "outliers": outliers}
    if given := {name: value for name, value in options.items() if value}:
        values = " and ".join(f"{name} is {value}" for name, value in given.items())
        changes = ", ".join(f"{name}=0" for name in given)
        raise UsageError(
            f"In the recipe, {values}; these are options of its own loss, which your loss replaces.",
            f"Pass recipe.replace({changes}).",
        )

    def checked(log_probs: Tensor, labels: Tensor) -> Tensor:
        value = own(log_probs, labels)
        if not (torch.is_tensor(value) and value.ndim == 0 and value.requires_grad):
            kind = f"a tensor of shape {list(value.shape)}" if torch.is_tensor(value) else shown(value)
            detached = " without a gradient" if torch.is_tensor(value) and not value.requires_grad else ""
            raise UsageError(
                f"The loss returned {kind}{detached}; it must return a scalar tensor computed from the "
                "log-probabilities.",
                "Average over the batch with PyTorch's functions, for example with .mean().",
            )
        return value

    return checked
