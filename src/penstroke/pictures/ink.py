"""From a picture to its ink: how dark each pixel's pen stroke is, with paper, light and ruled lines taken away.

The road: shrink, grey, polarity (which of dark and bright is the ink, and how wide its strokes are), light
(divide by the local paper), rules (take away printed lines), mask (what is ink). Each stage is a pure function on
arrays. This file does not know what is written, nor how many symbols there are.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.basics import (
    EmptyPicture,
    Grey,
    Mask,
    Stage,
    Watch,
    as_picture,
    resize,
    shrink,
    to_grey,
)  # fmt: skip
from penstroke.pictures.polarity import Rough, find_polarity, level_on
from penstroke.pictures.rules import remove_rules

WORK_SIDE = 1000
"""Longest side, in pixels, at which strokes are looked at; bigger pictures are shrunk to it first."""
STROKE_WORK = 8.0
"""Widest stroke, in pixels, that still gains from more pixels: wider ones are shrunk to it."""


@dataclass(frozen=True)
class Ink:
    """The ink of a picture, at working size.

    Args:
        level: float32 ``[h, w]``, 0 for paper, 1 for the pen's full strength.
        mask: bool ``[h, w]``, where strokes are.
        width: the usual width of a stroke in working pixels.
        scale: working pixels per pixel of the picture.
        noise: the paper's own spread of ``level`` (standard deviation).
    """

    level: Grey
    mask: Mask
    width: float
    scale: float
    noise: float


def find_ink(picture: UInt8[ndarray, "h w *c"], watch: Watch | None = None) -> Ink:
    """Return the ink of a picture of any size, light, paper and polarity.

    Args:
        picture: uint8, grey ``[h, w]`` or colour ``[h, w, 3]``.
        watch: is shown each stage.

    Raises:
        EmptyPicture: nothing in it is ink.
    """
    show = watch or (lambda _stage: None)
    small = shrink(picture, WORK_SIDE / max(picture.shape[:2]))
    grey = to_grey(small)
    show(Stage("grey", as_picture(grey / 255), f"{picture.shape[1]} x {picture.shape[0]} pixels"))
    rough = find_polarity(grey)
    found = f"ink is {'bright' if rough.bright else 'dark'}, strokes {rough.width:.1f} px"
    show(Stage("polarity", as_picture(rough.mask), found))
    if rough.width > STROKE_WORK:
        grey, rough = _smaller(grey, rough, STROKE_WORK / rough.width)
    page = 255 - grey if rough.bright else grey
    if rough.paper is None:
        level, noise = even_light(page, rough.mask, rough.width, rough.thick)
    else:
        level, noise = level_on(page, 255 - rough.paper if rough.bright else rough.paper), 0.0
    show(Stage("even light", as_picture(level), f"noise {noise:.3f}"))
    strength = ink_strength(level, rough.mask, noise)
    ruled = remove_rules(level, strength, noise)
    found = "taken away" if (ruled < level).any() else "none found"
    show(Stage("rules removed", as_picture(ruled / strength), found))
    mask = find_mask(ruled, strength, noise)
    if not mask.any():
        raise EmptyPicture("no stroke stands out from the paper")
    scale = max(grey.shape) / max(picture.shape[:2])
    floor = min(2 * noise, 0.15 * strength)
    level = np.clip((ruled - floor) / max(strength - floor, 1e-6), 0, 1).astype(np.float32)
    show(Stage("ink", as_picture(mask), f"strength {strength:.2f}"))
    return Ink(level, mask, rough.width, scale, noise / strength)


def _smaller(grey: Grey, rough: Rough, factor: float) -> tuple[Grey, Rough]:
    """Return the picture and the first look at it, both shrunk."""
    mask = resize(rough.mask.astype(np.float32), factor) > 0.5
    return resize(grey, factor), replace(rough, mask=mask, width=rough.width * factor, thick=rough.thick * factor)


def even_light(grey: Grey, rough: Mask, width: float, thick: float) -> tuple[Grey, float]:
    """Return how much darker than its local paper each pixel is, as a share of it, and the paper's noise.

    The paper is the darker of two estimates. One closes over everything thinner than three strokes, or than the
    thickest blot: it keeps the edges of shadows, pages and tables, which an average would smear into false ink. The
    other averages what is not ink: it follows the hollows of the light that a closing would bridge.

    Args:
        grey: float32 ``[h, w]``, ink darker than paper.
        rough: bool ``[h, w]``, where ink is, roughly.
        width: strokes' usual width in pixels.
        thick: the thickest blot's width in pixels.
    """
    reach = int(max(1.5 * width, 0.75 * min(thick, 6 * width)) + 1.5)
    closed = ndimage.grey_closing(ndimage.gaussian_filter(grey, 0.15 * width), size=2 * reach + 1)
    bare = ~ndimage.binary_dilation(rough, np.ones((3, 3)), int(0.3 * width + 1))
    weight = ndimage.gaussian_filter(bare.astype(np.float32), 2 * width, truncate=3)
    average = ndimage.gaussian_filter(np.where(bare, grey, 0), 2 * width, truncate=3) / np.maximum(weight, 1e-3)
    paper = np.where(weight > 0.05, np.minimum(average, closed), closed)
    level = 1 - grey / np.maximum(paper, 1.0)
    noise = _noise(level, bare)
    level = level - (np.median(level[bare][:: 1 + level.size // 50_000]) if bare.any() else 0)
    if noise > 0.01 and width > 3:
        level = ndimage.gaussian_filter(level, 0.12 * width)
    # What lies in the dark beyond the page (a table, a book's spine) has no ink worth reading.
    level = np.where(closed < 0.35 * np.percentile(closed[::3, ::3], 75), 0, level)
    return np.maximum(level, 0).astype(np.float32), noise


def _noise(level: Grey, bare: Mask) -> float:
    """Return the spread of the bare paper's level, from pixels near each other: slow changes are light, not noise."""
    both = bare[:, 3:] & bare[:, :-3]
    steps = np.abs(level[:, 3:] - level[:, :-3])[both]
    return 1.4826 / 2**0.5 * float(np.median(steps[:: 1 + steps.size // 50_000])) if steps.size else 0.0


def ink_strength(level: Grey, rough: Mask, noise: float) -> float:
    """Return the level of a full stroke: the upper middle of what the rough mask covers."""
    inside = level[rough]
    inside = inside[inside > max(3 * noise, 0.02)]
    if inside.size == 0:
        raise EmptyPicture("no stroke stands out from the paper")
    # Without noise nothing needs room above the usual: then a full stroke is the strongest, as drawn.
    return float(np.percentile(inside, 75 if noise > 0.002 else 98))


def find_mask(level: Grey, strength: float, noise: float) -> Mask:
    """Return where ink is: wherever it is half as strong as the pen, and from there on along fainter strokes."""
    faint = level > max(0.25 * strength, 3.0 * noise)
    sure = level > max(0.5 * strength, 4.0 * noise)
    pieces, count = ndimage.label(faint, np.ones((3, 3)))
    keep = np.zeros(count + 1, bool)
    keep[np.unique(pieces[sure])] = True
    keep[0] = False
    return keep[pieces]
