"""The augmentation of a recipe as one function of a batch."""

from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from penstroke.data import Split
from penstroke.errors import DataError
from penstroke.recipes.parts import Augmentation
from penstroke.synthesis.augment import NO_CLASS, augment, insert_outliers, mix_outliers, shift_batch, warp
from penstroke.synthesis.draws import Draws
from penstroke.synthesis.photographs import crop_and_flip, cut_out, jitter_colours, mix_channels

MAX_OUTLIERS = 14_000
"""Maximum number of images in the outlier pool; the pool is never larger than the training split."""


class BatchAugmentation(Protocol):
    """A function of a batch that draws from PyTorch's random state."""

    def __call__(
        self,
        images: UInt8[Tensor, "b c h w"],
        labels: Int64[Tensor, "b"],
        part: slice = slice(None),
        /,
    ) -> tuple[UInt8[Tensor, "n c h w"] | Float[Tensor, "n c h w"], Int64[Tensor, "b"]]:
        """Return augmented images, 0..255, of a part of the batch, and the labels of all images.

        The images of several parts are together those of the whole batch.
        """


def batch_augmentation(
    augmentation: Augmentation,
    train: Split,
    seed: int,
    device: torch.device | None = None,
    pictures: UInt8[np.ndarray, "n c h w"] | None = None,
) -> BatchAugmentation:
    """Return the function that augments each batch of a training run.

    Args:
        augmentation: the augmentation; if all its values are zero, batches are returned unchanged.
        train: the training split. Its size limits the number of generated outliers.
        seed: seed of the generated outliers.
        device: where the outliers are kept; the CPU by default.
        pictures: images that show none of the classes. They are used with the outliers that are generated for grey
            digits 0-9 of 28x28 pixels; for other images, they are used instead of mixtures of training images.

    Raises:
        DataError: ``pictures`` do not have the shape of the training images.
    """
    if pictures is not None and pictures.shape[1:] != train.images.shape[1:]:
        raise DataError(
            f"The outliers have the shape {pictures.shape[1:]}; the training images have {train.images.shape[1:]}.",
            "Prepare both in the same way.",
        )
    shift, distortion, outliers = augmentation.shift, augmentation.distortion, augmentation.outliers
    crop, flip = augmentation.crop, bool(augmentation.flip)
    jitter, cutout = augmentation.jitter, augmentation.cutout
    digits = train.classes == tuple("0123456789") and train.images.shape[1:] == (1, 28, 28)
    pool = _pool(train, seed, pictures, digits=digits) if outliers else None
    if pool is not None:
        pool = pool[0].to(device), pool[1].to(device)
    insert = mix_outliers if digits else insert_outliers

    def augment_batch(images: Tensor, labels: Tensor, part: slice = slice(None), /) -> tuple[Tensor, Tensor]:
        if pool is not None:
            images, labels = insert(images, labels, outliers, pool)
        # More processes than images: the random state must advance as in the others.
        computed = part if range(len(images))[part] else slice(None)
        draws = Draws(len(images), computed, images.device)
        images = shift_batch(images[computed], shift)
        images = augment(images, distortion, draws) if distortion else images
        images = warp(images, augmentation.warp, draws) if augmentation.warp else images
        if crop or flip or jitter or cutout:
            images = jitter_colours(crop_and_flip(images, crop, draws, flip=flip), jitter, draws)
            images = cut_out(images, cutout, draws)
        if augmentation.mix_channels:
            images = mix_channels(images.float(), draws)
        return images if computed is part else images[part], labels

    return augment_batch


def _pool(
    train: Split, seed: int, pictures: UInt8[np.ndarray, "n c h w"] | None, *, digits: bool
) -> tuple[Tensor, Tensor]:
    """Return the images from which outliers are drawn, and their labels."""
    count = min(MAX_OUTLIERS, len(train))
    images, labels = np.empty((0, *train.images.shape[1:]), np.uint8), np.empty(0, np.int64)
    if digits:
        # Imports Pillow and SciPy, which not every training run needs.
        from penstroke.synthesis.outliers import outlier_pool

        images, labels = outlier_pool(count, seed)
    elif pictures is None:
        from penstroke.synthesis.mixed_outliers import mixed_outliers

        pictures = mixed_outliers(train, count, seed)
    if pictures is not None:
        images = np.concatenate([images, pictures])
        labels = np.concatenate([labels, np.full(len(pictures), NO_CLASS, np.int64)])
    return torch.from_numpy(images), torch.from_numpy(labels)
