"""Find the ink of a picture: the strength of the pen at each pixel, without paper, light and ruled lines.

The stages are: reduction, grey, polarity (whether ink is dark or bright, and how wide its strokes are), illumination
(division by the local paper), ruled lines (removal), and the mask of the ink. Each stage is a pure function on arrays.
This module does not depend on what is written, nor on the number of symbols.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy
from jaxtyping import UInt8
from numpy import ndarray

from penstroke.errors import EmptyPicture
from penstroke.pictures.basics import (
    Grey,
    Mask,
    StageCallback,
    resize,
    show_stage,
    shrink,
    to_grey,
)
from penstroke.pictures.components import Components, find_components
from penstroke.pictures.filters import closing, dilation, median, percentile
from penstroke.pictures.frames import remove_frames
from penstroke.pictures.polarity import InkEstimate, estimate_ink, level_on_flat_paper
from penstroke.pictures.ruled_lines import remove_ruled_lines

WORK_SIDE = 1000
"""Longest side, in pixels, at which strokes are detected. Larger pictures are reduced to it."""
WORK_STROKE = 8.0
"""Widest stroke, in pixels, that benefits from the resolution. Pictures with wider strokes are reduced to it."""


@dataclass(frozen=True)
class Ink:
    """The ink of a picture, at working resolution.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for the full strength of the pen.
        components: the connected strokes.
        width: the median width of strokes in working pixels.
        scale: working pixels per pixel of the picture.
        noise: standard deviation of the paper's ``level``; 0 for a drawn picture.
    """

    level: Grey
    components: Components
    width: float
    scale: float
    noise: float

    @cached_property
    def mask(self) -> Mask:
        """``bool`` ``[h, w]``, true on strokes."""
        return self.components.labels > 0

    def turned(self, quarters: int = 1) -> "Ink":
        """Return the ink of the picture turned counterclockwise by quarters."""
        level = np.ascontiguousarray(np.rot90(self.level, quarters))
        return replace(self, level=level, components=self.components.turned(quarters))


def find_ink(picture: UInt8[ndarray, "h w *c"], on_stage: StageCallback | None = None) -> Ink:
    """Return the ink of a picture of any size, illumination, paper and polarity.

    Args:
        picture: ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``.
        on_stage: called with each stage.

    Raises:
        EmptyPicture: no ink is found.
    """
    grey = to_grey(shrink(picture, WORK_SIDE / max(picture.shape[:2])))
    show_stage(on_stage, "grey", lambda: grey / 255, f"{picture.shape[1]} x {picture.shape[0]} pixels")
    estimate = estimate_ink(grey)
    note = f"ink is {'bright' if estimate.bright else 'dark'}, strokes {estimate.width:.1f} px"
    show_stage(on_stage, "polarity", lambda: estimate.mask, note)
    if estimate.width > WORK_STROKE:
        grey, estimate = _reduced(grey, estimate, WORK_STROKE / estimate.width)
    level, noise = _level(grey, estimate)
    show_stage(on_stage, "illumination", lambda: level, f"noise {noise:.3f}")
    strength = ink_strength(level, estimate.mask, noise)
    unruled = remove_frames(level, strength, noise)
    unruled = remove_ruled_lines(unruled, strength, noise)
    note = "none found" if unruled is level else "removed"
    show_stage(on_stage, "ruled lines", lambda: unruled / strength, note)
    components = ink_components(unruled, strength, noise)
    if not components.count:
        raise EmptyPicture("no stroke stands out from the paper")
    scale = max(grey.shape) / max(picture.shape[:2])
    floor = min(2 * noise, 0.15 * strength)
    level = np.clip((unruled - floor) / max(strength - floor, 1e-6), 0, 1).astype(np.float32)
    ink = Ink(level, components, estimate.width, scale, noise / strength)
    show_stage(on_stage, "ink", lambda: ink.mask, f"strength {strength:.2f}")
    return ink


def _reduced(grey: Grey, estimate: InkEstimate, factor: float) -> tuple[Grey, InkEstimate]:
    """Return the picture and the estimate of its ink at a lower resolution."""
    mask = resize(estimate.mask.astype(np.float32), factor) > 0.5
    width, max_width = estimate.width * factor, estimate.max_width * factor
    return resize(grey, factor), replace(estimate, mask=mask, width=width, max_width=max_width)


def _level(grey: Grey, estimate: InkEstimate) -> tuple[Grey, float]:
    """Return the level of the ink relative to the paper, and the noise of the paper."""
    page = 255 - grey if estimate.bright else grey
    if estimate.paper is None:
        return normalise_illumination(page, estimate.mask, estimate.width, estimate.max_width)
    return level_on_flat_paper(page, 255 - estimate.paper if estimate.bright else estimate.paper), 0.0


def normalise_illumination(grey: Grey, mask: Mask, width: float, max_width: float) -> tuple[Grey, float]:
    """Return how much darker than its local paper each pixel is, as a fraction of it, and the noise of the paper.

    The level of the paper is the darker of two estimates. The first is a morphological closing of everything thinner
    than three strokes, or than the widest component. It preserves the edges of shadows, pages and tables, which an
    average would blur into false ink. The second is an average of what is not ink. It follows dark regions of the
    illumination that a closing would bridge.

    Args:
        grey: ``float32`` ``[h, w]``, ink darker than paper.
        mask: ``bool`` ``[h, w]``, an estimate of the ink.
        width: the median width of strokes in pixels.
        max_width: the maximum width of strokes in pixels.
    """
    radius = int(max(1.5 * width, 0.75 * min(max_width, 6 * width)) + 1.5)
    closed = closing(scipy.ndimage.gaussian_filter(grey, 0.15 * width), 2 * radius + 1)
    blank = ~dilation(mask, int(0.3 * width + 1))
    weight = scipy.ndimage.gaussian_filter(blank.astype(np.float32), 2 * width, truncate=3)
    average = scipy.ndimage.gaussian_filter(np.where(blank, grey, 0), 2 * width, truncate=3) / np.maximum(weight, 1e-3)
    paper = np.where(weight > 0.05, np.minimum(average, closed), closed)
    level = 1 - grey / np.maximum(paper, 1.0)
    noise = _noise(level, blank)
    level = level - (median(level[blank][:: 1 + level.size // 50_000]) if blank.any() else 0)
    if noise > 0.01 and width > 3:
        level = scipy.ndimage.gaussian_filter(level, 0.12 * width)
    # Dark regions beyond the page (a table, the spine of a book) contain no legible ink.
    level = np.where(closed < 0.35 * percentile(closed[::3, ::3], 75), 0, level)
    return np.maximum(level, 0).astype(np.float32), noise


def _noise(level: Grey, blank: Mask) -> float:
    """Return the standard deviation of the blank paper's level.

    It is estimated from differences of pixels near each other, which slow changes of the illumination do not affect.
    """
    both = blank[:, 3:] & blank[:, :-3]
    steps = np.abs(level[:, 3:] - level[:, :-3])[both]
    return 1.4826 / 2**0.5 * median(steps[:: 1 + steps.size // 50_000]) if steps.size else 0.0


def ink_strength(level: Grey, mask: Mask, noise: float) -> float:
    """Return the level of a full stroke: an upper percentile of the levels in the estimated mask.

    Raises:
        EmptyPicture: no level in the mask exceeds the noise.
    """
    inside = level[mask]
    inside = inside[inside > max(3 * noise, 0.02)]
    if inside.size == 0:
        raise EmptyPicture("no stroke stands out from the paper")
    # Without noise, the strongest levels are the pen's, and none is an outlier.
    return percentile(inside, 75 if noise > 0.002 else 98)


def ink_components(level: Grey, strength: float, noise: float) -> Components:
    """Return the ink by hysteresis thresholding: strokes of half the pen's strength with their fainter parts."""
    faint = level > max(0.25 * strength, 3.0 * noise)
    sure = level > max(0.5 * strength, 4.0 * noise)
    components = find_components(faint)
    kept = np.zeros(components.count + 1, bool)
    kept[components.labels[sure]] = True
    return components.keep(kept[1:])
