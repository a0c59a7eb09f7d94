"""Augmentation: plain functions over a whole batch of raw images. What is random comes from PyTorch's random state."""

import math

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional as F

Images = Float[Tensor, "n c h w"]
Raw = UInt8[Tensor, "n c h w"]
Labels = Int64[Tensor, "n"]

NO_CLASS = -1
"""The label of an image that shows none of the classes."""

BOX, INK = 20, 60
"""Pixels that a digit's longer side fills, and the level from which a pixel is its ink."""
UNTOUCHED = 0.2
"""Share of the images that are left as they are."""
TURN = math.radians(15)
"""Each way, at most, at strength 1; so are the others."""
SCALE, ASPECT, SHEAR = 0.15, 0.12, 0.25
MOVE = 0.11
"""Share of half the image's side."""
BEND, KNOTS = 0.085, 5
"""Deviation of the elastic move, as a share of half the side, and points a side between which it runs smoothly."""
THICKER, THINNER = 0.9, 0.5
GAMMA, CONTRAST = 0.5, 0.4
BLUR, NOISE = 0.8, 12.0
RESIDUE = 70.0
"""Brightest level, of 255, that is left of paper, light and neighbours."""


def shifted(images: Raw, reach: int) -> Raw:
    """Return the batch moved by up to ``reach`` pixels each way, all its images alike; black comes in at the rim.

    One move for the whole batch is a view of a padded copy: it costs next to nothing, and over many batches the
    network sees every move.
    """
    if not reach:
        return images
    down, right = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    height, width = images.shape[2:]
    return F.pad(images, (reach,) * 4)[..., down : down + height, right : right + width]


def mixed_in(images: Raw, labels: Labels, share: float, pool: tuple[Raw, Labels]) -> tuple[Raw, Labels]:
    """Return a batch of which the first ``share`` gave way to other pictures, most of them labelled ``NO_CLASS``.

    Of these, a quarter are two of the batch's digits joined; the others come from ``pool``, at random.
    """
    count = round(len(images) * share)
    pairs = count // 4
    others, named = pool
    drawn = torch.randint(len(named), (count - pairs,)).to(named.device)
    both = joined(images[:pairs], images[len(images) - pairs :])
    return (
        torch.cat([both, others[drawn], images[count:]]),
        torch.cat([torch.full_like(labels[:pairs], NO_CLASS), named[drawn], labels[count:]]),
    )


def joined(images: Raw, others: Raw) -> Raw:
    """Return two digits side by side in each image, touching, and fitted into its box as one digit would be.

    So a line of digits looks where it was cut wrongly, and a person's neighbours where they run into each other.
    """
    size = images.shape[3]
    ink, other = (batch[:, 0] > INK for batch in (images, others))
    places = torch.arange(size, device=images.device)
    ends = torch.where(ink, places, -size).amax(2)
    starts = torch.where(other, places, 2 * size).amin(2)
    # Each row's gap if the second stood on the first; the least of them is closed, with some overlap.
    apart = (ends - starts).amax(1).clamp(-size, size) - torch.randint(0, 3, (len(images),), device=images.device)
    left = torch.where(ink.any(1), places, size).amin(1)
    right = torch.where(other.any(1), places, -1).amax(1) + apart
    middle, wide = (left + right) / 2, (right - left + 1).clamp(min=BOX)
    zoom = wide / BOX
    grid = (places - (size - 1) / 2)[None, :] * zoom[:, None]

    def seen(batch: Raw, moved: Tensor) -> Images:
        column = grid + (middle - moved)[:, None]
        x = ((2 * column + 1) / size - 1)[:, None, :].expand(-1, size, -1)
        y = ((2 * (grid + (size - 1) / 2) + 1) / size - 1)[:, :, None].expand(-1, -1, size)
        return F.grid_sample(batch.float(), torch.stack([x, y], 3), align_corners=False)

    return torch.maximum(seen(images, torch.zeros_like(apart)), seen(others, apart)).round().byte()


def distorted(images: Raw | Images, strength: float) -> Images:
    """Return the batch as other hands, pens, papers and cameras might have made it, each image in its own way.

    Args:
        images: raw, 0..255, bright strokes on black.
        strength: 0 changes nothing; 1 is as much as a person's own pictures need once they were prepared.

    Returns:
        ``float32``, 0..255.
    """
    levels = images.float()
    if not strength:
        return levels
    changed = _toned(_restroked(_warped(levels, strength), strength), strength).clamp_(0, 255)
    return torch.where(_between(levels, 0, 1) < UNTOUCHED, levels, changed)


def _between(images: Images, low: float, high: float) -> Float[Tensor, "n 1 1 1"]:
    """Return an even random number for each image."""
    return torch.empty(len(images), 1, 1, 1, device=images.device).uniform_(low, high)


def _warped(images: Images, strength: float) -> Images:
    """Return the images turned, scaled, sheared, moved, and bent as by a hand (P. Simard and others, 2003)."""
    turn, shear, right, down, grow, widen = (
        strength * reach * (2 * torch.rand(len(images), device=images.device) - 1)
        for reach in (TURN, SHEAR, MOVE, MOVE, SCALE, ASPECT)
    )
    across, along = torch.exp(grow + widen / 2), torch.exp(grow - widen / 2)
    row = torch.stack([across * turn.cos(), across * (shear * turn.cos() - turn.sin()), right], 1)
    column = torch.stack([along * turn.sin(), along * (shear * turn.sin() + turn.cos()), down], 1)
    grid = F.affine_grid(torch.stack([row, column], 1), list(images.shape), align_corners=False)
    knots = torch.randn(len(images), 2, KNOTS, KNOTS, device=images.device).mul_(strength * BEND)
    bend = F.interpolate(knots, images.shape[2:], mode="bicubic", align_corners=True)
    return F.grid_sample(images, grid + bend.permute(0, 2, 3, 1), align_corners=False)


def _restroked(images: Images, strength: float) -> Images:
    """Return the images drawn with a thicker or a thinner pen."""
    pen = _between(images, -strength, strength)
    thicker = F.max_pool2d(images, 3, 1, 1)
    thinner = -F.max_pool2d(-images, 3, 1, 1)
    return images + pen.clamp(0) * THICKER * (thicker - images) + (-pen).clamp(0) * THINNER * (thinner - images)


def _toned(images: Images, strength: float) -> Images:
    """Return the images with another contrast, blur, noise, and in one of three a residue of the paper."""
    channels = images.shape[1]
    box = torch.full((channels, 1, 3, 3), 1 / 9, device=images.device)
    images = images.lerp(F.conv2d(images, box, padding=1, groups=channels), _between(images, 0, strength * BLUR))
    gamma = torch.exp(_between(images, -strength * GAMMA, strength * GAMMA))
    images = 255 * (images / 255).clamp_(0, 1) ** gamma * (1 - _between(images, 0, strength * CONTRAST))
    images = images + torch.randn_like(images).mul_(_between(images, 0, strength * NOISE))
    patches = torch.rand(len(images), 1, 8, 8, device=images.device).sub_(0.7).clamp_(0)
    patches = patches * (_between(images, 0, 1) < 0.33) * strength * RESIDUE / 0.3
    return torch.maximum(images, F.interpolate(patches, images.shape[2:], mode="bilinear", align_corners=False))
