"""Which of dark and bright is the ink, roughly where it is, and how wide the pen is.

Nothing is asked of the user: a page on a dark table, chalk, a dark screen and MNIST itself are told apart by what
looks like strokes: long for their width, and sharp on all sides. This file sees a small copy of the picture alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.basics import COARSE_PIXELS, EmptyPicture, Grey, Mask, resize, resize_to, rim, stroke_width
from penstroke.pictures.rules import remove_rules

WINDOWS = ((0.08, 1.0), (0.16, 1.0), (0.25, 0.7), (0.4, 0.3))
"""Windows in which strokes are looked for, as shares of the picture's side, and the trust in what they show."""
RULE_WINDOW = 0.25
FLAT_RINGS = 12
"""Grey levels by which compression strays from flat paper beside strokes."""
STROKE_LENGTH = 1.6
"""A stroke's area is at least so many squares of its thickest place."""
SMALL_PAGE, BLOT_LENGTH = 0.45, 1.15
"""Where ink is no greater a share of a drawn picture, too little for a page, its area may be as few such squares."""
MOST_INK = 0.62
"""The greatest share of a drawn picture that is ink: more is a page on an evenly dark table."""
FAINTEST = 6.0
"""Grey levels by which ink must stand out from the paper."""
BRIGHT_ON_BRIGHT = 0.5
"""The trust in bright ink on a page that is bright itself."""
WINDOW_GAIN = 1.25
"""How much more ink a larger window must show to be believed."""


@dataclass(frozen=True)
class Rough:
    """What a first look finds.

    Args:
        mask: bool ``[h, w]``, roughly where ink is.
        bright: whether it is brighter than the paper.
        width: its strokes' usual width in pixels.
        thick: the width of its thickest blot in pixels.
        paper: the paper's one grey level, if it is flat.
    """

    mask: Mask
    bright: bool
    width: float
    thick: float
    paper: float | None = None


def find_polarity(grey: Grey) -> Rough:
    """Find whether dark or bright strokes are the ink, where they are, and how wide.

    Raises:
        EmptyPicture: nothing stands out.
    """
    paper = find_flat_paper(grey)
    if paper is not None:
        rough = flat_ink(grey, paper)
        area = rough.mask.sum()
        least = STROKE_LENGTH if area > SMALL_PAGE * grey.size else BLOT_LENGTH
        if least * rough.thick**2 <= area <= MOST_INK * grey.size:
            return rough
    return strokes_on_paper(grey)


def find_flat_paper(grey: Grey) -> float | None:
    """Return the one grey level of the paper, if the picture was drawn and not photographed: MNIST, a canvas.

    Such paper is one exact level, mostly at the rim too, and all ink lies to one side of it. A photograph's paper is
    spread over many levels by light and noise.
    """
    values = np.bincount(grey.astype(np.uint8).ravel(), minlength=256)
    paper = int(np.argmax(values))
    near = np.abs(grey - paper) < 1
    # Compression leaves rings around strokes, which lie beyond the paper's level.
    astray = min((grey > paper + FLAT_RINGS).mean(), (grey < paper - FLAT_RINGS).mean())
    # A digit cropped to its ink covers most of the rim; then, paper as black or white as can be shows that it is drawn.
    least_rim = 0.12 if paper in (0, 255) else 0.35
    return float(paper) if near.mean() >= 0.18 and rim(near).mean() >= least_rim and astray < 0.01 else None


def level_on(page: Grey, paper: float) -> Grey:
    """Return how much darker than a flat paper each pixel is, as a share of it."""
    return np.maximum(1 - page / max(paper, 1.0), 0).astype(np.float32)


def flat_ink(grey: Grey, paper: float) -> Rough:
    """Return a first look at a picture on flat paper: ink is whatever else there is more of.

    Raises:
        EmptyPicture: nothing differs from the paper.
    """
    more, less = np.maximum(grey - paper, 0), np.maximum(paper - grey, 0)
    bright = bool(more.sum() > less.sum())
    level = more if bright else less
    if level.max() < FAINTEST:
        raise EmptyPicture("it is one even colour")
    mask = level > 0.45 * float(np.percentile(level[level >= FAINTEST], 95))
    return Rough(mask, bright, *stroke_width(mask), paper)


def strokes_on_paper(grey: Grey) -> Rough:
    """Return a first look at a photograph, by what looks more like strokes.

    What is thinner than a window stands out from the picture closed (dark) or opened (bright) by it. Windows of
    several sizes are tried, since the pen's width is not known: small ones do not see a page on a table, large ones
    see a felt pen.

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
        worth = doubt * found[0] * _like_a_pen(small, found[1])
        if worth > best[0]:
            best = (worth, found[1], bright)
    worth, mask, bright = best
    if worth <= 0:
        raise EmptyPicture("it is one even colour, or light and shadow alone")
    size = (grey.shape[1], grey.shape[0])
    rough = resize_to(mask.astype(np.float32), size, smooth=False) > 0.4
    width, thick = stroke_width(mask)
    return Rough(rough, bright, width / factor, thick / factor)


def _like_a_pen(grey: Grey, mask: Mask) -> float:
    """Return how much a mask is like a pen's strokes: of one width, and far from the grey of the paper beside it.

    A page on a table, and the light between shadows, have parts of all widths and little contrast.
    """
    if not mask.any():
        return 0.0
    width, thick = stroke_width(mask)
    near = ndimage.binary_dilation(mask, iterations=2)
    beside = ndimage.binary_dilation(near, iterations=int(width / 2 + 1)) & ~near
    ink, paper = float(grey[mask].mean()), float(grey[beside].mean()) if beside.any() else 0.0
    return min(1.0, 2 * width / thick) * abs(paper - ink) / max(paper, ink, 1.0)


def _printed(level: Grey) -> Mask:
    """Return where a rough look finds printed lines."""
    top = float(np.percentile(level, 99.5))
    spread = 1.4826 * float(np.median(np.abs(level)))
    level = np.maximum(level, 0)
    return remove_rules(level, max(top, 1.0), spread, thorough=False) < level


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
    mask = level > max(0.45 * top, 4.0 * 1.4826 * float(np.median(np.abs(level))), FAINTEST)
    pieces, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 0:
        return mask, 0.0
    reach = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]

    def sums(values: ndarray | None) -> ndarray:
        return np.bincount(pieces.ravel(), None if values is None else values.ravel(), count + 1)[1:]

    area, energy = sums(None), sums(level)
    farthest = np.zeros(count + 1)
    np.maximum.at(farthest, pieces.ravel(), reach.ravel())
    thick = 2 * farthest[1:] - 1
    # A stroke is longer than wide; a square or a disk of any size comes near 1, a digit beyond 3.
    length = area / np.maximum(thick, 1.5) ** 2
    quality = np.clip((length - 1.5) / 5, 0.02, 1)
    # Ink has sharp edges all around; shadows and the light between them have not.
    border = mask & (reach <= 1)
    sharp = sums(np.where(border, edges, 0)) / np.maximum(sums(border.astype(float)), 1)
    quality *= np.clip(2 * sharp * area / energy, 0, 1) ** 2
    at_rim = np.zeros(count + 1, bool)
    at_rim[rim(pieces)] = True
    worth = np.sqrt(sums(np.where(border, edges, 0)) * energy) * quality * np.where(at_rim[1:], 0.15, 1)
    keep = worth >= 0.1 * worth.max()
    return np.concatenate([[False], keep])[pieces], float(worth.sum())
