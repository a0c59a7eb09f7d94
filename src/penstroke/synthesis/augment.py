"""Augmentation: functions of a whole batch of raw images that draw from PyTorch's random state."""

import math

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

from penstroke.synthesis.draws import Draws

RawImages = UInt8[Tensor, "n c h w"]
Images = Float[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"]

NO_CLASS = -1
"""Label of an image that shows none of the classes."""

DIGIT_SIZE = 20
"""Length of a digit's longer side, in pixels."""
INK_LEVEL = 60
"""Pixels above this value are ink."""
UNCHANGED_SHARE = 0.2
"""Fraction of the images that ``augment`` leaves unchanged."""
MAX_ROTATION = math.radians(15)
"""Largest rotation at strength 1. The following constants are also values at strength 1."""
MAX_SCALE, MAX_ASPECT, MAX_SHEAR = 0.15, 0.12, 0.25
MAX_TRANSLATION = 0.11
"""Relative to half of the image's side."""
ELASTIC_STD, ELASTIC_POINTS = 0.085, 5
"""Standard deviation of the elastic displacement, relative to half of the image's side, and control points per side."""
MAX_DILATION, MAX_EROSION = 0.9, 0.5
MAX_LOG_GAMMA, MAX_CONTRAST_LOSS = 0.5, 0.4
COARSE_SIDES, COARSE_SHARE = (10, 12, 14), 0.12
"""Sides in pixels of the images of low resolution, and their fraction."""
MAX_BLUR, MAX_NOISE = 0.8, 12.0
MAX_RESIDUE = 70.0
"""Maximum pixel value, 0..255, of the simulated residue of paper, uneven light and neighbouring symbols."""
RESIDUE_SHARE = 0.33
"""Fraction of the images that contain such residue."""


def shift_batch(images: RawImages, max_shift: int) -> RawImages:
    """Return the batch shifted by up to ``max_shift`` pixels in each direction, padded with black.

    All images of the batch shift by the same amount: the shift of a whole batch is a view of a padded copy, which is
    cheap, and many batches cover all shifts.
    """
    if not max_shift:
        return images
    down, right = torch.randint(0, 2 * max_shift + 1, (2,)).tolist()
    height, width = images.shape[2:]
    return F.pad(images, (max_shift,) * 4)[..., down : down + height, right : right + width]


def mix_outliers(
    images: RawImages, labels: Labels, share: float, pool: tuple[RawImages, Labels]
) -> tuple[RawImages, Labels]:
    """Return the batch with its first images replaced by other images, most of them labelled ``NO_CLASS``.

    A quarter of the replacements are pairs of digits of the batch, joined; the others are drawn from the pool.

    Args:
        images: raw digits.
        labels: their classes.
        share: fraction of the batch that is replaced, 0..1.
        pool: images and their labels.
    """
    count = round(len(images) * share)
    pairs = count // 4
    pool_images, pool_labels = pool
    drawn = torch.randint(len(pool_labels), (count - pairs,)).to(pool_labels.device)
    joined = join_digits(images[:pairs], images[len(images) - pairs :])
    return (
        torch.cat([joined, pool_images[drawn], images[count:]]),
        torch.cat([torch.full_like(labels[:pairs], NO_CLASS), pool_labels[drawn], labels[count:]]),
    )


def insert_outliers(
    images: RawImages, labels: Labels, share: float, pool: tuple[RawImages, Labels]
) -> tuple[RawImages, Labels]:
    """Return the batch with its first images replaced by images that are drawn from the pool.

    Args:
        images: raw images.
        labels: their classes.
        share: fraction of the batch that is replaced, 0..1.
        pool: images and their labels.
    """
    count = round(len(images) * share)
    pool_images, pool_labels = pool
    drawn = torch.randint(len(pool_labels), (count,)).to(pool_labels.device)
    return torch.cat([pool_images[drawn], images[count:]]), torch.cat([pool_labels[drawn], labels[count:]])


def join_digits(left: RawImages, right: RawImages) -> RawImages:
    """Return images with two touching digits side by side, scaled to the size of one digit.

    Such images occur where a line of digits is segmented at the wrong places.

    Args:
        left: grey images of the left digits, ``[n, 1, size, size]``.
        right: grey images of the right digits, of the same shape.
    """
    size = left.shape[3]
    left_ink, right_ink = (batch[:, 0] > INK_LEVEL for batch in (left, right))
    columns = torch.arange(size, device=left.device)
    ends = torch.where(left_ink, columns, -size).amax(2)
    starts = torch.where(right_ink, columns, 2 * size).amin(2)
    # How far the right digit moves: the smallest gap over all rows is closed, with an overlap of up to two pixels.
    offset = (ends - starts).amax(1).clamp(-size, size) - torch.randint(0, 3, (len(left),), device=left.device)
    first = torch.where(left_ink.any(1), columns, size).amin(1)
    last = torch.where(right_ink.any(1), columns, -1).amax(1) + offset
    centre, width = (first + last) / 2, (last - first + 1).clamp(min=DIGIT_SIZE)
    zoom = width / DIGIT_SIZE
    grid = (columns - (size - 1) / 2)[None, :] * zoom[:, None]

    def resample(batch: RawImages, offsets: Tensor) -> Images:
        column = grid + (centre - offsets)[:, None]
        x = ((2 * column + 1) / size - 1)[:, None, :].expand(-1, size, -1)
        y = ((2 * (grid + (size - 1) / 2) + 1) / size - 1)[:, :, None].expand(-1, -1, size)
        return F.grid_sample(batch.float(), torch.stack([x, y], 3), align_corners=False)

    return torch.maximum(resample(left, torch.zeros_like(offset)), resample(right, offset)).round().byte()


def augment(images: RawImages | Images, strength: float, draws: Draws | None = None) -> Images:
    """Return the batch with variations of handwriting, pen, paper and camera, different for each image.

    Args:
        images: raw images, 0..255, bright strokes on black.
        strength: 0 changes nothing; 1 covers the variation of preprocessed photos of handwriting.
        draws: the random numbers; by default, the images are a whole batch.

    Returns:
        ``float32``, 0..255.
    """
    originals = images.float()
    if not strength:
        return originals
    draws = draws or Draws.of(originals)
    changed = change_strokes(warp(originals, strength, draws), strength, draws)
    changed = _lower_resolution(changed, draws)
    changed = change_tones(changed, strength, draws).clamp_(0, 255)
    return torch.where(draws.uniform(0, 1) < UNCHANGED_SHARE, originals, changed)


def warp(images: RawImages | Images, strength: float, draws: Draws | None = None) -> Images:
    """Return the images after random affine and elastic deformations, different for each image.

    The elastic deformations follow P. Simard and others, "Best practices for convolutional neural networks applied to
    visual document analysis", 2003.

    Args:
        images: raw images, 0..255.
        strength: 0 changes nothing; at 1, the limits are the constants of this module.
        draws: the random numbers; by default, the images are a whole batch.

    Returns:
        ``float32``, 0..255.
    """
    images = images.float()
    if not strength:
        return images
    draws = draws or Draws.of(images)
    rotation, shear, right, down, scale, aspect = (
        strength * limit * (2 * draws.rand() - 1)
        for limit in (MAX_ROTATION, MAX_SHEAR, MAX_TRANSLATION, MAX_TRANSLATION, MAX_SCALE, MAX_ASPECT)
    )
    across, along = torch.exp(scale + aspect / 2), torch.exp(scale - aspect / 2)
    row = torch.stack([across * rotation.cos(), across * (shear * rotation.cos() - rotation.sin()), right], 1)
    column = torch.stack([along * rotation.sin(), along * (shear * rotation.sin() + rotation.cos()), down], 1)
    grid = F.affine_grid(torch.stack([row, column], 1), list(images.shape), align_corners=False)
    points = draws.normal(2, ELASTIC_POINTS, ELASTIC_POINTS).mul_(strength * ELASTIC_STD)
    displacement = F.interpolate(points, images.shape[2:], mode="bicubic", align_corners=True)
    return F.grid_sample(images, grid + displacement.permute(0, 2, 3, 1), align_corners=False)


def change_strokes(images: Images, strength: float, draws: Draws) -> Images:
    """Return the images with thicker or thinner strokes."""
    pen = draws.uniform(-strength, strength)
    dilated = F.max_pool2d(images, 3, 1, 1)
    eroded = -F.max_pool2d(-images, 3, 1, 1)
    thicker = pen.clamp(0) * MAX_DILATION * (dilated - images)
    return images + thicker + (-pen).clamp(0) * MAX_EROSION * (eroded - images)


def _lower_resolution(images: Images, draws: Draws) -> Images:
    """Return the images with some of them as coarse as small pictures that were enlarged."""
    side = COARSE_SIDES[int(torch.randint(len(COARSE_SIDES), ()))]
    coarse = F.interpolate(images, (side, side), mode="area")
    enlarged = F.interpolate(coarse, images.shape[2:], mode="bicubic", align_corners=False)
    return torch.where(draws.uniform(0, 1) < COARSE_SHARE, enlarged, images)


def change_tones(images: Images, strength: float, draws: Draws) -> Images:
    """Return the images with random blur, gamma, contrast and noise, some of them with residue of the paper."""
    channels = images.shape[1]
    box = torch.full((channels, 1, 3, 3), 1 / 9, device=images.device)
    images = images.lerp(F.conv2d(images, box, padding=1, groups=channels), draws.uniform(0, strength * MAX_BLUR))
    gamma = torch.exp(draws.uniform(-strength * MAX_LOG_GAMMA, strength * MAX_LOG_GAMMA))
    images = 255 * (images / 255).clamp_(0, 1) ** gamma * (1 - draws.uniform(0, strength * MAX_CONTRAST_LOSS))
    images = images + draws.normal(*images.shape[1:]).mul_(draws.uniform(0, strength * MAX_NOISE))
    residue = draws.rand(1, 8, 8).sub_(0.7).clamp_(0)
    residue = residue * (draws.uniform(0, 1) < RESIDUE_SHARE) * strength * MAX_RESIDUE / 0.3
    return torch.maximum(images, F.interpolate(residue, images.shape[2:], mode="bilinear", align_corners=False))
