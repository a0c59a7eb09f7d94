"""Loss functions of log-probabilities and labels, averaged over a batch."""

from collections.abc import Callable
from functools import partial
from typing import TypeGuard

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from penstroke.data import Split
from penstroke.errors import UsageError
from penstroke.schema import shown
from penstroke.synthesis import NO_CLASS

Loss = Callable[[Float[Tensor, "b classes"], Int64[Tensor, "b"]], Float[Tensor, ""]]


def build_loss(
    label_smoothing: float,
    outliers: float,
    weights: Float[Tensor, "classes"] | None = None,
    own: Loss | None = None,
    *,
    taught: bool = False,
) -> Loss:
    """Return the loss function of a training run.

    Args:
        label_smoothing: fraction of the label that is distributed evenly over all classes, 0..1.
        outliers: fraction of images labelled ``NO_CLASS`` in each batch.
        weights: see ``smoothed_nll``.
        own: the loss function that the caller of ``fit`` passed. What it returns is checked.
        taught: whether the labels are the probabilities of a teacher.

    Raises:
        UsageError: ``own`` is not a function, or the recipe has options of the loss that it replaces.
    """
    if own is not None and taught:
        raise UsageError(
            "loss is given, and the recipe has a teacher, whose probabilities it learns with its own loss.",
            "Pass recipe.replace(teacher=''), or omit loss.",
        )
    if own is not None:
        options: dict[str, float | str] = {"label_smoothing": label_smoothing, "outliers": outliers}
        return _own_loss(own, options if weights is None else options | {"class_weights": "balanced"})
    if taught:
        return soft_nll
    if not (label_smoothing or outliers or weights is not None):
        return F.nll_loss
    return partial(smoothed_nll, smoothing=label_smoothing, weights=weights)


def class_weights(kind: str, train: Split, device: torch.device | None = None) -> Float[Tensor, "classes"] | None:
    """Return the weight of each class in the loss, or None if all are equal.

    ``balanced`` weights each class by the inverse of its number of training images. The mean weight of the training
    images is 1. A class without training images gets the weight 0.

    Args:
        kind: ``none`` or ``balanced``.
        train: the training images.
        device: device of the result.
    """
    if kind == "none":
        return None
    counts = np.bincount(train.labels, minlength=len(train.classes))
    weights = len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1)) * (counts > 0)
    return torch.from_numpy(weights.astype(np.float32)).to(device)


def smoothed_nll(
    log_probs: Float[Tensor, "b classes"],
    labels: Int64[Tensor, "b"],
    smoothing: float,
    weights: Float[Tensor, "classes"] | None = None,
) -> Float[Tensor, ""]:
    """Return the negative log-likelihood with label smoothing.

    Args:
        log_probs: log-probabilities.
        labels: class indices; the target of ``NO_CLASS`` is the uniform distribution over all classes.
        smoothing: fraction of the label that is distributed evenly over all classes, 0..1.
        weights: weight of the images of each class; the result is the weighted mean over the images. Unlike in
            ``torch.nn.CrossEntropyLoss``, a weight does not change how the label is smoothed: an image with weight 3
            counts as three images. Images labelled ``NO_CLASS`` have the weight 1.
    """
    uniform = torch.where(labels == NO_CLASS, 1.0, smoothing)
    likelihood = log_probs.gather(1, labels.clamp(min=0)[:, None])[:, 0]
    losses = -((1 - uniform) * likelihood + uniform * log_probs.mean(1))
    if weights is None:
        return losses.mean()
    of_images = image_weights(labels, weights)
    return (of_images * losses).sum() / of_images.sum()


def image_weights(labels: Int64[Tensor, "b"], weights: Float[Tensor, "classes"]) -> Float[Tensor, "b"]:
    """Return the weight of each image in the loss: that of its class; 1 for ``NO_CLASS``."""
    return torch.where(labels == NO_CLASS, 1.0, weights[labels.clamp(min=0)])


def share_of(loss_of: Loss, part: Int64[Tensor, "m"], labels: Int64[Tensor, "b"]) -> float | Float[Tensor, ""]:
    """Return the weight of the images of a part in the loss of a batch: a fraction.

    Args:
        loss_of: a mean over the images, which ``smoothed_nll`` weights by their classes.
        part: labels of the part.
        labels: labels of the batch.
    """
    weights = loss_of.keywords.get("weights") if _is_smoothed(loss_of) else None
    if weights is None:
        return len(part) / len(labels)
    return image_weights(part, weights).sum() / image_weights(labels, weights).sum()


def soft_nll(log_probs: Float[Tensor, "b classes"], probabilities: Float[Tensor, "b classes"]) -> Float[Tensor, ""]:
    """Return the cross-entropy of log-probabilities and the probabilities that they are to have."""
    return -(probabilities * log_probs).sum(1).mean()


def is_mean(loss_of: Loss) -> bool:
    """Return whether a loss is one of a recipe: a mean over the images, as opposed to a function of the caller."""
    return loss_of in (F.nll_loss, soft_nll) or _is_smoothed(loss_of)


def _is_smoothed(loss_of: Loss) -> TypeGuard["partial[Tensor]"]:
    return isinstance(loss_of, partial) and loss_of.func is smoothed_nll


def _own_loss(own: Loss, options: dict[str, float | str]) -> Loss:
    """Return the caller's loss function with a check of what it returns."""
    if not callable(own):
        raise UsageError(
            f"loss is {shown(own)} ({type(own).__name__}); it must be a function of log-probabilities and labels.",
            "Pass a function, for example loss=torch.nn.NLLLoss().",
        )
    if given := {name: value for name, value in options.items() if value}:
        values = " and ".join(f"{name} is {value}" for name, value in given.items())
        changes = ", ".join(f"{name}={0 if name != 'class_weights' else repr('none')}" for name in given)
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
