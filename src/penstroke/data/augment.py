"""Augmentation: plain functions over a whole batch of raw images. What is random comes from PyTorch's random state."""

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F


def shifted(images: UInt8[Tensor, "n c h w"], reach: int) -> UInt8[Tensor, "n c h w"]:
    """Return the batch moved by up to ``reach`` pixels each way, all its images alike; black comes in at the rim.

    One move for the whole batch is a view of a padded copy: it costs next to nothing, and over many batches the
    network sees every move.
    """
    if not reach:
        return images
    down, right = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    height, width = images.shape[2:]
    return F.pad(images, (reach,) * 4)[..., down : down + height, right : right + width]
