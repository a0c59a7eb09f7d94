"""A batch transform that the caller of ``fit`` passes, after the augmentation of the recipe."""

from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from penstroke.errors import UsageError
from penstroke.schema import shown
from penstroke.synthesis import BatchAugmentation

Images = UInt8[Tensor, "b c h w"] | Float[Tensor, "b c h w"]
Transform = Callable[[Images], Images]
_SCALED = 10
"""The largest value of transformed floats is at least that of the images divided by this, unless they are scaled."""


def with_transform(augment: BatchAugmentation | None, transform: Transform | None) -> BatchAugmentation | None:
    """Return an augmentation followed by a transform, whose results are checked.

    Args:
        augment: augmentation of the recipe, if it has one.
        transform: returns images of the same shape and range for images; see ``fit``. None returns ``augment``.

    Raises:
        UsageError: ``transform`` is not a function.
    """
    if transform is None:
        return augment
    if not callable(transform):
        raise UsageError(
            f"transform is {shown(transform)} ({type(transform).__name__}); it must be a function of images.",
            "Pass a function of images [b, c, h, w], for example transform=lambda images: images.flip(3).",
        )
    first = True

    def apply(images: Tensor, labels: Tensor, part: slice = slice(None), /) -> tuple[Tensor, Tensor]:
        nonlocal first  # the transform may need the whole batch
        if augment:
            images, labels = augment(images, labels)
        transformed = transform(images)
        _check_form(transformed, images)
        if first:
            _check_range(transformed, images)
            first = False
        return transformed[part], labels

    return apply


def _check_form(transformed: object, images: Tensor) -> None:
    if not isinstance(transformed, Tensor):
        problem = f"a {type(transformed).__name__}"
    elif transformed.shape != images.shape or not (
        transformed.dtype == torch.uint8 or transformed.dtype.is_floating_point
    ):
        problem = f"{transformed.dtype} of shape {list(transformed.shape)}"
    else:
        return
    raise UsageError(
        f"The transform returned {problem}; it must return a tensor of shape {list(images.shape)}, uint8 or float.",
        "Return as many images as the batch has, of the same shape.",
    )


def _check_range(transformed: Tensor, images: Tensor) -> None:
    """Check that images are not scaled to 0..1, or normalised; only for the first batch, because a device waits."""
    largest, before = float(transformed.max()), float(images.max())
    if largest * _SCALED < before:
        raise UsageError(
            f"The transform returned values up to {largest:.4g} for images with values up to {before:.4g}; pixels "
            "must stay in 0..255.",
            "Do not scale or normalise the images: the network does that.",
        )
