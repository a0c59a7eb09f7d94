"""Small pure functions on pictures that every stage uses, and the record of a stage."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image
from scipy import ndimage

from penstroke.errors import DataError

Grey = Float[ndarray, "h w"]
Mask = Bool[ndarray, "h w"]
COARSE_PIXELS = 200 * 200
"""Pixels of the small copy on which a picture is looked at as a whole."""


class EmptyPicture(DataError):
    """A picture in which nothing is ink: a blank page, one solid colour, light and shadow alone."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing is written in the picture: {why}.",
            "Give a picture in which a pen's strokes stand out from the paper.",
        )
        self.why = why

    def __reduce__(self) -> tuple[type["EmptyPicture"], tuple[str]]:
        # It crosses from the processes that prepare pictures, and is made again there from its reason.
        return EmptyPicture, (self.why,)


@dataclass(frozen=True)
class Stage:
    """One named step, for eyes: ``image`` is uint8 ``[h, w]`` or ``[h, w, 3]``; ``note`` says what was found."""

    name: str
    image: UInt8[ndarray, "h w *c"]
    note: str = ""


Watch = Callable[[Stage], object]
"""Is shown each stage as it is done; ``list.append`` keeps them all."""


def as_picture(level: ndarray) -> UInt8[ndarray, "h w"]:
    """Return levels 0..1 as a picture 0..255 to look at."""
    return (np.clip(level, 0, 1) * 255).round().astype(np.uint8)


def shrink(picture: UInt8[ndarray, "h w *c"], factor: float) -> UInt8[ndarray, "h2 w2 *c"]:
    """Return the picture shrunk by area averaging; a factor of 1 and more leaves it alone."""
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def resize(level: Grey, factor: float, smooth: bool = True) -> Grey:
    """Return float levels resized: by area averaging down, by smooth interpolation up."""
    size = (max(1, round(level.shape[1] * factor)), max(1, round(level.shape[0] * factor)))
    return resize_to(level, size, smooth)


def resize_to(level: Grey, size: tuple[int, int], smooth: bool = True) -> Grey:
    """Return float levels resized to ``(width, height)``; ``smooth`` is cubic where it grows, else linear."""
    grows = size[0] > level.shape[1]
    up = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    picture = Image.fromarray(np.ascontiguousarray(level, dtype=np.float32))
    return np.asarray(picture.resize(size, up if grows else Image.Resampling.BOX))


def to_grey(picture: UInt8[ndarray, "h w *c"]) -> Grey:
    """Return float32 grey 0..255: luminance, unless one colour channel shows the ink far better (yellow on white)."""
    if picture.ndim == 2:
        return picture.astype(np.float32)
    colours = [picture[:, :, i].astype(np.float32) for i in range(3)]
    grey = 0.299 * colours[0] + 0.587 * colours[1] + 0.114 * colours[2]
    contrasts = [_contrast(c) for c in (grey, *colours)]
    best = int(np.argmax(contrasts))
    return (grey, *colours)[best] if contrasts[best] > 2 * contrasts[0] else grey


def _contrast(grey: Grey) -> float:
    """Return how far the strongest strokes of a channel stand out from their surroundings."""
    small = resize(grey, min(1.0, (COARSE_PIXELS / grey.size) ** 0.5))
    blurred = ndimage.uniform_filter(small, max(3, max(small.shape) // 8))
    return float(np.percentile(np.abs(small - blurred), 99.5))


def rim(values: ndarray) -> ndarray:
    """Return the values ``[2 * (h + w)]`` along the four sides of ``[h, w]``; those in corners come twice."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])


def stroke_width(mask: Mask) -> tuple[float, float]:
    """Return the usual and the greatest width of a mask's strokes in pixels: twice the reach along their middle."""
    if not mask.any():
        return 1.0, 1.0
    reach = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    ridge = reach[mask & (reach >= ndimage.maximum_filter(reach, 3))]
    return max(1.0, 2 * float(np.median(ridge)) - 0.5), max(1.0, 2 * float(ridge.max()) - 0.5)
