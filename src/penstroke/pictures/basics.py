"""Functions on arrays of pixels that several stages share, the record of a stage, and the error for empty pictures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image

from penstroke.pictures.filters import median, percentile, ridge_distances

Grey = Float[ndarray, "h w"]
Mask = Bool[ndarray, "h w"]
COARSE_PIXELS = 200 * 200
"""Maximum number of pixels of the reduced copy on which global properties of a picture are estimated."""


@dataclass(frozen=True)
class Stage:
    """One step of preprocessing, for display.

    Args:
        name: name of the step.
        image: ``uint8``, ``[h, w]`` or ``[h, w, 3]``.
        note: a measurement or finding of the step.
    """

    name: str
    image: UInt8[ndarray, "h w *c"]
    note: str = ""


StageCallback = Callable[[Stage], object]
"""Called with each stage when it is complete, for example ``list.append``."""


def show_stage(on_stage: StageCallback | None, name: str, draw: Callable[[], ndarray], note: str = "") -> None:
    """Call ``on_stage``, if any, with a stage; only then, ``draw`` is called for its image, with levels 0..1."""
    if on_stage:
        on_stage(Stage(name, as_picture(draw()), note))


def as_picture(level: ndarray) -> UInt8[ndarray, "h w"]:
    """Return levels 0..1 as grey values 0..255."""
    return (np.clip(level, 0, 1) * 255).round().astype(np.uint8)


def shrink(picture: UInt8[ndarray, "h w *c"], factor: float) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return the picture reduced by area averaging; unchanged if ``factor`` is 1 or more."""
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def resize(level: Grey, factor: float) -> Grey:
    """Return levels resized by a factor; see :func:`resize_to`."""
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return resize_to(level, size)


def resize_to(level: Grey, size: tuple[int, int], smooth: bool = True) -> Grey:
    """Return levels resized to ``(width, height)``.

    Reduction averages over areas. Enlargement interpolates cubically, or linearly if ``smooth`` is false.
    """
    enlarges = size[0] > level.shape[1]
    interpolation = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    picture = Image.fromarray(np.ascontiguousarray(level, dtype=np.float32))
    return np.asarray(picture.resize(size, interpolation if enlarges else Image.Resampling.BOX))


def to_grey(picture: UInt8[ndarray, "h w *c"]) -> Grey:
    """Return ``float32`` grey values 0..255.

    Grey is the luminance, or one colour channel if the contrast of ink is much higher there (yellow on white).
    """
    if picture.ndim == 2:
        return picture.astype(np.float32)
    colours = [picture[:, :, i].astype(np.float32) for i in range(3)]
    grey = 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]
    contrasts = [_contrast(c) for c in (grey, *colours)]
    best = int(np.argmax(contrasts))
    return (grey, *colours)[best] if contrasts[best] > 2 * contrasts[0] else grey


def _contrast(grey: Grey) -> float:
    """Return how much the strongest strokes of a channel differ from their surroundings, in grey levels."""
    small = resize(grey, min(1.0, (COARSE_PIXELS / grey.size) ** 0.5))
    blurred = scipy.ndimage.uniform_filter(small, max(3, max(small.shape) // 8))
    return percentile(np.abs(small - blurred), 99.5)


def border_values(values: ndarray) -> ndarray:
    """Return the values ``[2 * (h + w)]`` along the four sides of ``[h, w]``; those of the corners occur twice."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def stroke_width(mask: Mask) -> tuple[float, float]:
    """Return the median and the maximum width of a mask's strokes in pixels.

    Widths are measured by the distance transform on the strokes' centre lines.
    """
    if not mask.any():
        return 1.0, 1.0
    ridge = ridge_distances(mask[bounding_box(mask)])
    return max(1.0, 2 * median(ridge) - 0.5), max(1.0, 2 * float(ridge.max()) - 0.5)


def bounding_box(mask: Mask, margin: int = 0) -> tuple[slice, slice]:
    """Return the rows and columns that contain the mask, with a margin; some pixel must be in the mask."""
    sides = [np.logical_or.reduce(mask, axis) for axis in (1, 0)]
    first, last = [int(side.argmax()) for side in sides], [len(side) - int(side[::-1].argmax()) for side in sides]
    rows, columns = (slice(max(low - margin, 0), high + margin) for low, high in zip(first, last, strict=True))
    return rows, columns
