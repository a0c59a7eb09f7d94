"""Estimate the polarity of a picture (dark or bright ink), roughly where the ink is, and the width of the pen.

Nothing is assumed about the picture: a page on a dark table, chalk, a dark screen and MNIST are distinguished by
properties of strokes, which are long relative to their width and have sharp edges on all sides. Photographs are
analysed on a reduced copy.
"""

from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from scipy import ndimage

from penstroke.errors import EmptyPicture
from penstroke.pictures.basics import (
    COARSE_PIXELS,
    Grey,
    Mask,
    border_values,
    resize,
    resize_to,
    stroke_width,
)
from penstroke.pictures.ruled_lines import remove_ruled_lines

WINDOWS = ((0.08, 1.0), (0.16, 1.0), (0.25, 0.7), (0.4, 0.3))
"""Windows in which strokes are detected, relative to the picture's side, and the weights of their scores."""
WINDOW_GAIN = 1.25
"""Factor by which the score of a larger window must exceed that of a smaller one."""
LINE_WINDOW = 0.25
"""Window in which ruled lines are detected, relative to the picture's side."""
COMPRESSION_LEVELS = 12
"""Grey levels by which compression artefacts next to strokes deviate from flat paper."""
STROKE_LENGTH = 1.6
"""Minimum area of ink in a drawn picture, in squares of its maximum width."""
SMALL_SHARE, SHORT_STROKE_LENGTH = 0.45, 1.15
"""Fraction of a drawn picture up to which ink is too small to be a page; its minimum area, in the same squares."""
MAX_INK_SHARE = 0.62
"""Maximum fraction of ink in a drawn picture. A larger fraction is a page on an evenly dark table."""
MIN_CONTRAST = 6.0
"""Minimum difference between ink and paper in grey levels."""
BRIGHT_ON_BRIGHT = 0.5
"""Weight of the score of bright ink on a bright page."""


@dataclass(frozen=True)
class InkEstimate:
    """A first estimate of the ink of a picture.

    Args:
        mask: ``bool`` ``[h, w]``, roughly where ink is.
        bright: whether ink is brighter than the paper.
        width: the median width of strokes in pixels.
        max_width: the maximum width of strokes in pixels.
        paper: the grey level of the paper if the picture is drawn and its paper flat, else None.
    """

    mask: Mask
    bright: bool
    width: float
    max_width: float
    paper: float | None = None


def estimate_ink(grey: Grey) -> InkEstimate:
    """Estimate whether dark or bright strokes are the ink, where they are, and how wide they are.

    Raises:
        EmptyPicture: no stroke stands out.
    """
    paper = find_flat_paper(grey)
    if paper is not None:
        estimate = ink_on_flat_paper(grey, paper)
        area = estimate.mask.sum()
        min_length = STROKE_LENGTH if area > SMALL_SHARE * grey.size else SHORT_STROKE_LENGTH
        if min_length * estimate.max_width**2 <= area <= MAX_INK_SHARE * grey.size:
            return estimate
    return ink_in_photograph(grey)


def find_flat_paper(grey: Grey) -> float | None:
    """Return the grey level of the paper if the picture was drawn (MNIST, a canvas), or None if it was photographed.

    The paper of a drawn picture has one exact level, mostly along the border too, and all ink is either darker or
    brighter. The paper of a photograph has many levels because of illumination and noise.
    """
    values = np.bincount(grey.astype(np.uint8).ravel(), minlength=256)
    paper = int(np.argmax(values))
    near = np.abs(grey - paper) < 1
    # Compression artefacts surround strokes with levels on the other side of the paper's.
    other_side = min((grey > paper + COMPRESSION_LEVELS).mean(), (grey < paper - COMPRESSION_LEVELS).mean())
    # A digit cropped to its ink covers most of the border. Then, black or white paper shows that the picture is drawn.
    min_border = 0.12 if paper in (0, 255) else 0.35
    flat = near.mean() >= 0.18 and border_values(near).mean() >= min_border and other_side < 0.01
    return float(paper) if flat else None


def level_on_flat_paper(page: Grey, paper: float) -> Grey:
    """Return how much darker than flat paper each pixel is, as a fraction of the paper's level."""
    return np.maximum(1 - page / max(paper, 1.0), 0).astype(np.float32)


def ink_on_flat_paper(grey: Grey, paper: float) -> InkEstimate:
    """Return the estimate for a drawn picture: ink is the darker or the brighter levels, the ones with the larger sum.

    Raises:
        EmptyPicture: all levels are the paper's.
    """
    brighter, darker = np.maximum(grey - paper, 0), np.maximum(paper - grey, 0)
    bright = bool(brighter.sum() > darker.sum())
    level = brighter if bright else darker
    if level.max() < MIN_CONTRAST:
        raise EmptyPicture("it has one uniform colour")
    mask = level > 0.45 * float(np.percentile(level[level >= MIN_CONTRAST], 95))
    return InkEstimate(mask, bright, *stroke_width(mask), paper)


def ink_in_photograph(grey: Grey) -> InkEstimate:
    """Return the estimate for a photograph: ink is the dark or the bright structures, the ones more similar to strokes.

    Structures thinner than a window are found by morphological closing (dark) or opening (bright). Several window
    sizes are tried because the pen's width is not known: small windows exclude a page on a table, large windows
    include a felt pen.

    Raises:
        EmptyPicture: neither dark nor bright structures resemble strokes.
    """
    factor = min(1.0, (COARSE_PIXELS / grey.size) ** 0.5)
    small = resize(grey, factor)
    edges = ndimage.gaussian_gradient_magnitude(small, 0.7) if factor < 1 else _half_range(small)
    best: tuple[float, Mask, bool] = (0.0, small > np.inf, False)
    for bright in (False, True):
        score, mask = _best_window(255 - small if bright else small, edges)
        # Chalkboards and screens are dark; on a bright picture, bright structures are mostly the page.
        weight = BRIGHT_ON_BRIGHT if bright and np.median(small) > 127 else 1.0
        score = weight * score * _stroke_likeness(small, mask)
        if score > best[0]:
            best = (score, mask, bright)
    score, mask, bright = best
    if score <= 0:
        raise EmptyPicture("it has one uniform colour, or only light and shadow")
    size = (grey.shape[1], grey.shape[0])
    full_mask = resize_to(mask.astype(np.float32), size, smooth=False) > 0.4
    width, max_width = stroke_width(mask)
    return InkEstimate(full_mask, bright, width / factor, max_width / factor)


def _best_window(page: Grey, edges: Grey) -> tuple[float, Mask]:
    """Return the score and mask of the strokes in the window size that shows them best; ink is dark on ``page``."""
    best: tuple[float, Mask] = (0.0, page > np.inf)
    ruled = _ruled_mask(_black_hat(page, max(3, int(LINE_WINDOW * page.size**0.5) | 1)))
    for share, weight in WINDOWS:
        level = np.where(ruled, 0, _black_hat(page, max(3, int(share * page.size**0.5) | 1)))
        mask, score = _strokes(level, edges)
        if weight * score > WINDOW_GAIN * best[0]:
            best = (weight * score, mask)
    return best


def _stroke_likeness(grey: Grey, mask: Mask) -> float:
    """Return how much a mask resembles pen strokes: of uniform width, and of high contrast to the paper next to it.

    A page on a table, and light between shadows, have parts of all widths and low contrast.
    """
    if not mask.any():
        return 0.0
    width, max_width = stroke_width(mask)
    near = ndimage.binary_dilation(mask, iterations=2)
    nearby = ndimage.binary_dilation(near, iterations=int(width / 2 + 1)) & ~near
    ink, paper = float(grey[mask].mean()), float(grey[nearby].mean()) if nearby.any() else 0.0
    return min(1.0, 2 * width / max_width) * abs(paper - ink) / max(paper, ink, 1.0)


def _ruled_mask(level: Grey) -> Mask:
    """Return where ruled lines are, roughly."""
    top = float(np.percentile(level, 99.5))
    spread = 1.4826 * float(np.median(np.abs(level)))
    level = np.maximum(level, 0)
    return remove_ruled_lines(level, max(top, 1.0), spread, thorough=False) < level


def _half_range(grey: Grey) -> Grey:
    """Return half the range of the values in each pixel's 3 x 3 neighbourhood."""
    return (ndimage.maximum_filter(grey, 3) - ndimage.minimum_filter(grey, 3)) / 2


def _black_hat(page: Grey, window: int) -> Grey:
    """Return how much darker than their surroundings structures thinner than ``window`` pixels are (black-hat)."""
    # The page is continued beyond its border without the ink that touches the border, so that strokes end there.
    padded = np.pad(page, 1, mode="edge")
    for side in (padded[0], padded[-1], padded[:, 0], padded[:, -1]):
        side[:] = ndimage.median_filter(side, len(side) // 2 | 1, mode="nearest")
    padded = np.pad(padded, window // 2, mode="edge")
    margin = window // 2 + 1
    level = ndimage.grey_closing(padded, size=window)[margin:-margin, margin:-margin] - page
    return level - np.median(level)


def _strokes(level: Grey, edges: Grey) -> tuple[Mask, float]:
    """Return the mask of the components that resemble strokes, and their total score.

    Args:
        level: ``float32`` ``[h, w]``, the difference of each pixel from the paper.
        edges: ``float32`` ``[h, w]``, the magnitude of the gradient.
    """
    top = float(np.percentile(ndimage.uniform_filter(level, 3) if level.size > 5000 else level, 99.8))
    mask = level > max(0.45 * top, 4.0 * 1.4826 * float(np.median(np.abs(level))), MIN_CONTRAST)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    if count == 0:
        return mask, 0.0
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]

    def sums(values: ndarray | None) -> ndarray:
        return np.bincount(labels.ravel(), None if values is None else values.ravel(), count + 1)[1:]

    area, ink_mass = sums(None), sums(level)
    max_distance = np.zeros(count + 1)
    np.maximum.at(max_distance, labels.ravel(), distance.ravel())
    max_width = 2 * max_distance[1:] - 1
    # A stroke is longer than wide: squares and disks of any size have a length near 1, digits above 3.
    length = area / np.maximum(max_width, 1.5) ** 2
    quality = np.clip((length - 1.5) / 5, 0.02, 1)
    # Ink has sharp edges on all sides; shadows and the light between them do not.
    contour = mask & (distance <= 1)
    edge_sums = sums(np.where(contour, edges, 0))
    sharpness = edge_sums / np.maximum(sums(contour.astype(float)), 1)
    quality *= np.clip(2 * sharpness * area / ink_mass, 0, 1) ** 2
    at_border = np.zeros(count + 1, bool)
    at_border[border_values(labels)] = True
    scores = np.sqrt(edge_sums * ink_mass) * quality * np.where(at_border[1:], 0.15, 1)
    keep = scores >= 0.1 * scores.max()
    return np.concatenate([[False], keep])[labels], float(scores.sum())
