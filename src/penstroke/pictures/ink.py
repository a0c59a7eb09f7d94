"""From a picture to its ink: how dark each pixel's pen stroke is, with paper, light and ruled lines taken away.

The road: shrink, grey, polarity (which of dark and bright is the ink, and how wide its strokes are), light
(divide by the local paper), rules (take away printed lines), mask (what is ink). Each stage is a pure function on
arrays. This file does not know what is written, nor how many symbols there are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image
from scipy import ndimage

from penstroke.errors import DataError
from penstroke.pictures.rules import remove_rules

WORK_SIDE = 1000
"""Longest side, in pixels, at which strokes are looked at; bigger pictures are shrunk to it first."""
COARSE_PIXELS = 200 * 200
WINDOWS = ((0.08, 1.0), (0.16, 1.0), (0.25, 0.7), (0.4, 0.3))
"""Windows in which strokes are looked for, as shares of the picture's side, and the trust in what they show."""
RULE_WINDOW = 0.25
BRIGHT_ON_BRIGHT = 0.5
"""The trust in bright ink on a page that is bright itself."""
WINDOW_GAIN = 1.25
"""How much more ink a larger window must show to be believed."""
STROKE_WORK = 8.0
"""Widest stroke, in pixels, that still gains from more pixels: wider ones are shrunk to it."""

Grey = Float[ndarray, "h w"]
Mask = Bool[ndarray, "h w"]


class EmptyPicture(DataError):
    """A picture in which nothing is ink: a blank page, one solid colour, light and shadow alone."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing is written in the picture: {why}.",
            "Give a picture in which a pen's strokes stand out from the paper.",
        )


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


@dataclass(frozen=True)
class Stage:
    """One named step on the way, for eyes: ``image`` is uint8 ``[h, w]`` or ``[h, w, 3]``; ``note`` says what was found."""

    name: str
    image: UInt8[ndarray, "h w *c"]
    note: str = ""


Watch = Callable[[Stage], object]
"""Is shown each stage as it is done; ``list.append`` keeps them all."""


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
    rough, bright, width, thick = find_polarity(grey)
    show(
        Stage(
            "polarity", as_picture(rough), f"ink is {'bright' if bright else 'dark'}, strokes {width:.1f} px"
        )
    )
    if width > STROKE_WORK:
        grey, rough = (resize(a, STROKE_WORK / width) for a in (grey, rough.astype(np.float32)))
        width, thick = STROKE_WORK, thick * STROKE_WORK / width
    level, noise = even_light(255 - grey if bright else grey, rough > 0.5, width, thick)
    show(Stage("even light", as_picture(level), f"noise {noise:.3f}"))
    strength = ink_strength(level, rough > 0.5, noise)
    ruled = remove_rules(level, strength, noise)
    show(
        Stage(
            "rules removed",
            as_picture(ruled / strength),
            "taken away" if (ruled < level).any() else "none found",
        )
    )
    mask = find_mask(ruled, strength, noise)
    if not mask.any():
        raise EmptyPicture("no stroke stands out from the paper")
    scale = max(grey.shape) / max(picture.shape[:2])
    floor = min(2 * noise, 0.15 * strength)
    level = np.clip((ruled - floor) / max(strength - floor, 1e-6), 0, 1).astype(np.float32)
    show(Stage("ink", as_picture(mask), f"strength {strength:.2f}"))
    return Ink(level, mask, width, scale, noise / strength)


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


def find_polarity(grey: Grey) -> tuple[Mask, bool, float, float]:
    """Find whether dark or bright strokes are the ink, by what looks more like strokes.

    What is thinner than a window stands out from the picture closed (dark) or opened (bright) by it. Windows of
    several sizes are tried, since the pen's width is not known: small ones do not see a page on a table, large ones
    see a felt pen.

    Returns:
        A rough mask of the ink, whether it is brighter than the paper, its strokes' usual width in pixels, and
        the width of its thickest blot.

    Raises:
        EmptyPicture: neither stands out.
    """
    factor = min(1.0, (COARSE_PIXELS / grey.size) ** 0.5)
    small = resize(grey, factor)
    edges = ndimage.gaussian_gradient_magnitude(small, 0.7) if factor < 1 else _steps(small)
    best: tuple[float, Mask, bool] = (0.0, small > np.inf, False)
    for bright in (False, True):
        page = 255 - small if bright else small
        found: tuple[float, Mask] = (0.0, small > np.inf)
        # Chalk and screens are dark: on a page that is not, what is bright is the page.
        doubt = BRIGHT_ON_BRIGHT if bright and np.median(small) > 127 else 1.0
        printed = _printed(_darker(page, max(3, int(RULE_WINDOW * small.size**0.5) | 1)))
        for share, trust in WINDOWS:
            level = np.where(printed, 0, _darker(page, max(3, int(share * small.size**0.5) | 1)))
            mask, worth = _strokes(level, edges)
            if trust * worth > WINDOW_GAIN * found[0]:
                found = (trust * worth, mask)
        if doubt * found[0] > best[0]:
            best = (doubt * found[0], found[1], bright)
    worth, mask, bright = best
    if worth <= 0:
        raise EmptyPicture("it is one even colour, or light and shadow alone")
    size = (grey.shape[1], grey.shape[0])
    rough = resize_to(mask.astype(np.float32), size, smooth=False) > 0.4
    width, thick = stroke_width(mask)
    return rough, bright, width / factor, thick / factor


def _printed(level: Grey) -> Mask:
    """Return where a rough look finds printed lines."""
    top = float(np.percentile(level, 99.5))
    spread = 1.4826 * float(np.median(np.abs(level)))
    level = np.maximum(level, 0)
    return remove_rules(level, max(top, 1.0), spread) < level


def _steps(grey: Grey) -> Grey:
    """Return the greatest difference of each pixel to its neighbours."""
    return (ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3)) / 2


def _darker(page: Grey, window: int) -> Grey:
    """Return how much darker than what surrounds it each thing is that is thinner than ``window`` pixels."""
    # Beyond the rim the page goes on, without the ink that touches it: a stroke ends at the rim.
    padded = np.pad(page, 1, mode="edge")
    for side in (padded[0], padded[-1], padded[:, 0], padded[:, -1]):
        side[:] = ndimage.median_filter(side, len(side) // 2 | 1, mode="nearest")
    padded = np.pad(padded, window // 2, mode="edge")
    margin = window // 2 + 1
    level = ndimage.grey_closing(padded, size=window)[margin:-margin, margin:-margin] - page
    return level - np.median(level)


def _strokes(level: Grey, edges: Grey) -> tuple[Mask, float]:
    """Return the mask of what looks like strokes, and how much of it there is.

    Args:
        level: float32 ``[h, w]``, how far each pixel stands out from the paper.
        edges: float32 ``[h, w]``, how steep the picture is there.
    """
    top = float(np.percentile(ndimage.uniform_filter(level, 3) if level.size > 5000 else level, 99.8))
    mask = level > max(0.45 * top, 4.0 * 1.4826 * float(np.median(np.abs(level))), 6.0)
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 0:
        return mask, 0.0
    reach = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]

    def sums(values: ndarray | None) -> ndarray:
        return np.bincount(pieces.ravel(), None if values is None else values.ravel(), count + 1)[1:]

    area, energy = sums(None), sums(level)
    thick = 2 * ndimage.maximum(reach, pieces, np.arange(1, count + 1)) - 1
    # A stroke is longer than wide; a square or a disk of any size comes near 1, a digit beyond 3.
    length = area / np.maximum(thick, 1.5) ** 2
    quality = np.clip((length - 1.5) / 5, 0.02, 1)
    # Ink has sharp edges all around; shadows and the light between them have not.
    border = mask & (reach <= 1)
    sharp = sums(np.where(border, edges, 0)) / np.maximum(sums(border.astype(float)), 1)
    quality *= np.clip(2 * sharp * area / energy, 0, 1) ** 2
    rim = np.zeros(count + 1, bool)
    rim[np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))] = True
    worth = np.sqrt(sums(np.where(border, edges, 0)) * energy) * quality * np.where(rim[1:], 0.15, 1)
    keep = worth >= 0.1 * worth.max()
    return np.concatenate([[False], keep])[pieces], float(worth.sum())


def stroke_width(mask: Mask) -> tuple[float, float]:
    """Return the usual and the greatest width of a mask's strokes in pixels: twice the reach along their middle."""
    if not mask.any():
        return 1.0, 1.0
    reach = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    ridge = reach[mask & (reach >= ndimage.maximum_filter(reach, 3))]
    return max(1.0, 2 * float(np.median(ridge)) - 0.5), max(1.0, 2 * float(ridge.max()) - 0.5)


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
