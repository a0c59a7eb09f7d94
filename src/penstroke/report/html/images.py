"""Images, kernels, maps and attributions as PNG data URIs. This module does not import torch or matplotlib."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from PIL import Image

MAX_SIDE = 48
"""Longer side of an image in the page, in pixels; larger ones are reduced."""
GAP = 2
"""Pixels between the images of a strip."""
NEGATIVE, NEUTRAL, POSITIVE = (33, 102, 172), (247, 247, 247), (201, 82, 0)
"""Colours of a diverging scale. Blue and orange differ for people with any colour vision."""
AGAINST, FOR = (70, 150, 255), (255, 140, 30)
"""Colours of attributions, on black."""


def data_uri(pixels: UInt8[ndarray, "h w *c"]) -> str:
    """Return grey or RGB pixels as the data URI of a PNG."""
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def image_pixels(image: UInt8[ndarray, "c h w"]) -> UInt8[ndarray, "h w *d"]:
    """Return an image as grey or RGB pixels with at most ``MAX_SIDE`` pixels per side."""
    return _reduced(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def strip(images: Sequence[UInt8[ndarray, "c h w"]]) -> str:
    """Return images side by side, as one data URI. Between them is a transparent gap."""
    tiles = [image_pixels(image) for image in images]
    height, width = tiles[0].shape[:2]
    canvas = np.zeros((height, len(tiles) * (width + GAP) - GAP, 4), np.uint8)
    for number, tile in enumerate(tiles):
        left = number * (width + GAP)
        canvas[:, left : left + width, :3] = tile if tile.ndim == 3 else tile[..., None]
        canvas[:, left : left + width, 3] = 255
    return data_uri(canvas)


def map_uris(maps: Float[ndarray, "n h w"]) -> list[str]:
    """Return each map as a data URI. Black is the smallest value of all maps, white nearly the largest."""
    low, high = float(maps.min()), float(np.quantile(maps, 0.998))
    scaled = np.clip((maps - low) / max(high - low, 1e-12), 0, 1)
    return [data_uri(_reduced(np.round(255 * values).astype(np.uint8))) for values in scaled]


def kernel_uris(kernels: Float[ndarray, "n c h w"]) -> list[str]:
    """Return each kernel as a data URI: blue is negative, orange positive, on a scale that all kernels share.

    Kernels on several channels are shown by the mean of the channels.
    """
    values = kernels.mean(1)
    scaled = values / max(float(np.abs(values).max()), 1e-12)
    return [data_uri(_diverging(kernel)) for kernel in scaled]


def attribution_pixels(
    image: UInt8[ndarray, "c h w"], values: Float[ndarray, "c h w"], scale: float | None = None
) -> UInt8[ndarray, "h w 3"]:
    """Return an image with its attributions: orange speaks for the class, blue against it, grey is the image.

    Args:
        image: raw image.
        values: attributions; their channels are summed.
        scale: the size that gets full colour; by default almost the largest of ``values``.
    """
    summed = values.sum(0)
    full = attribution_scale(values) if scale is None else scale
    strength = np.clip(np.abs(summed) / full, 0, 1)[..., None] ** 0.7
    colour = np.where(summed[..., None] >= 0, np.array(FOR), np.array(AGAINST))
    grey = 0.3 * image.astype(float).mean(0)[..., None]
    return np.round(grey * (1 - strength) + colour * strength).astype(np.uint8)


def attribution_scale(values: Float[ndarray, "*n c h w"]) -> float:
    """Return the size of attribution that gets full colour: almost the largest, so that one pixel does not decide."""
    return max(float(np.quantile(np.abs(values.sum(-3)), 0.995)), 1e-12)


def attribution_uri(image: UInt8[ndarray, "c h w"], values: Float[ndarray, "c h w"], scale: float) -> str:
    """Return an image with its attributions as a data URI; see ``attribution_pixels``."""
    return data_uri(_reduced(attribution_pixels(image, values, scale)))


def heat_uri(shares: Float[ndarray, "h w"]) -> str:
    """Return a table of shares, 0..1, as a picture: darker orange is more."""
    return data_uri(_diverging(np.sqrt(np.clip(shares, 0, 1))))


def _diverging(values: Float[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    """Return colours for values in -1..1."""
    size = np.abs(values)[..., None] ** 0.75  # weak values stay visible
    end = np.where(values[..., None] < 0, np.array(NEGATIVE), np.array(POSITIVE))
    return np.round(np.array(NEUTRAL) * (1 - size) + end * size).astype(np.uint8)


def _reduced(pixels: UInt8[ndarray, "h w *c"]) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return grey or RGB pixels, reduced where they have more than ``MAX_SIDE`` pixels per side."""
    height, width = pixels.shape[:2]
    factor = MAX_SIDE / max(height, width)
    if factor >= 1:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BOX))
