"""Augmentation of photographs and other pictures: functions of a batch that draw from PyTorch's random state.

Their argument ``draws`` gives the random numbers; by default, the images are a whole batch.
"""

import torch
from torch.nn import functional as F

from penstroke.synthesis.augment import Images, RawImages
from penstroke.synthesis.draws import Draws


def crop_and_flip(images: RawImages | Images, crop: float, draws: Draws | None = None, *, flip: bool) -> Images:
    """Return each image shifted by a random distance, with reflected borders, and mirrored with probability 1/2.

    Args:
        images: images, 0..255.
        crop: largest shift in each direction, as a fraction of height and width.
        flip: whether images are mirrored.
    """
    images, draws = images.float(), draws or Draws.of(images)
    count, _, height, width = images.shape
    down, right = min(round(crop * height), height - 1), min(round(crop * width), width - 1)
    if not (down or right or flip):
        return images
    rows, columns = (torch.arange(side, device=images.device).expand(count, -1) for side in (height, width))
    if flip:
        mirrored = draws.uniform(0, 1).view(-1, 1) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    rows = rows + draws.integers(2 * down + 1)
    columns = columns + draws.integers(2 * right + 1)
    padded = F.pad(images, (right, right, down, down), mode="reflect").permute(0, 2, 3, 1)
    index = torch.arange(count, device=images.device)[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def jitter_colours(images: Images, strength: float, draws: Draws | None = None) -> Images:
    """Return images with random brightness, contrast and, for colour, saturation.

    Args:
        images: images, 0..255.
        strength: largest relative change of each, 0..1.
    """
    if not strength:
        return images
    draws = draws or Draws.of(images)
    brightness, contrast, saturation = (draws.uniform(1 - strength, 1 + strength) for _ in range(3))
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (images - mean) * contrast + mean * brightness
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + (images - grey) * saturation
    return images.clamp(0, 255)


def mix_channels(images: Images, draws: Draws | None = None) -> Images:
    """Return images whose channels are multiplied by random weights, different for each image, of mean 1.

    The mean of the channels is then a random mixture of them: another grey version of a colour image.

    Args:
        images: images, 0..255.

    Returns:
        The images; their values may be above 255.
    """
    weights = (draws or Draws.of(images)).rand(images.shape[1], 1, 1)
    return images * (weights / weights.mean(1, keepdim=True))


def cut_out(images: Images, size: float, draws: Draws | None = None) -> Images:
    """Return images in which a random rectangle has the mean colour of the image (DeVries and Taylor, 2017).

    Source: https://arxiv.org/abs/1708.04552. The centre of the rectangle is any pixel, so that a part of it may lie
    outside of the image.

    Args:
        images: images, 0..255.
        size: height and width of the rectangle, as a fraction of those of the image.
    """
    if not size:
        return images
    draws = draws or Draws.of(images)
    inside = []
    for side in images.shape[2:]:
        pixels = torch.arange(side, device=images.device)
        inside.append((pixels - draws.integers(side)).abs() * 2 < round(size * side))
    covered = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
    return torch.where(covered, images.mean((2, 3), keepdim=True), images)
