"""Estimate the polarity of a picture (dark or bright ink), roughly where the ink is, and the width of the pen.

Nothing is assumed about the picture: a page on a dark table, chalk, a dark screen and MNIST are distinguished by
properties of strokes, which are long relative to their width and have sharp edges on all sides. Photographs are
analysed on a reduced copy.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy
from jaxtyping import Float, Int
from numpy import ndarray

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
from penstroke.pictures.filters import (
    closing,
    distance_to_paper,
    histogram,
    median,
    outline,
    percentile,
    window_max,
    window_min,
)
from penstroke.pictures.ruled_lines import remove_ruled_lines
from penstroke.pictures.tight import edges_of, find_two_levels

WINDOWS = ((0.08, 1.0), (0.16, 1.0), (0.25, 0.7), (0.4, 0.3))
"""Windows in which strokes are detected, relative to the picture's side, and the weights of their scores."""
WINDOW_GAIN = 1.25
"""Factor by which the score of a larger window must exceed that of a smaller one."""
GRAIN = 3
"""Side in pixels up to which bright specks inside a stroke, as pencil leaves them, do not change its width."""
LINE_WINDOW = 0.25
"""The window in which ruled lines are detected."""
COMPRESSION_LEVELS = 12
"""Grey levels by which compression artefacts next to strokes deviate from flat paper."""
STROKE_LENGTH = 1.6
"""Minimum area of ink in a drawn picture, in squares of its maximum width."""
SMALL_SHARE, SHORT_STROKE_LENGTH = 0.45, 1.15
"""Fraction of a drawn picture up to which ink is too small to be a page; its minimum area, in the same squares."""
MIN_PAPER_SHARE = 0.18
"""Minimum fraction of paper in a drawn picture."""
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


@dataclass(frozen=True)
class Marks:
    """Connected components that may be strokes.

    Args:
        mask: ``bool`` ``[h, w]``, all components.
        labels: ``int32`` ``[h, w]``, the number of each pixel's component, from 1; 0 is the paper.
        area: pixels of each component.
        scores: the score that each component has if it is as long as strokes are: an upper bound of its score.
    """

    mask: Mask
    labels: Int[ndarray, "h w"]
    area: Int[ndarray, " n"]
    scores: Float[ndarray, " n"]


def estimate_ink(grey: Grey) -> InkEstimate:
    """Estimate whether dark or bright strokes are the ink, where they are, and how wide they are.

    Raises:
        EmptyPicture: no stroke stands out.
    """
    paper = find_flat_paper(grey)
    drawn = None if paper is None else ink_on_flat_paper(grey, paper)
    if drawn and not _has_extent_of_ink(drawn):
        drawn = None
    if drawn and _is_surrounded(grey, drawn.paper):
        return drawn
    levels = find_two_levels(grey)
    # In a tight picture, the most frequent level may be that of the ink.
    if drawn and (levels is None or levels.bright == drawn.bright or not levels.is_tight):
        return drawn
    if levels and levels.is_tight:
        return InkEstimate(levels.mask, levels.bright, *stroke_width(levels.mask), levels.paper)
    return ink_in_photograph(grey)


def _has_extent_of_ink(drawn: InkEstimate) -> bool:
    """Return whether the mask of a drawn picture is long enough for strokes, and not most of the picture."""
    area, size = drawn.mask.sum(), drawn.mask.size
    min_length = STROKE_LENGTH if area > SMALL_SHARE * size else SHORT_STROKE_LENGTH
    return bool(min_length * drawn.max_width**2 <= area <= MAX_INK_SHARE * size)


def _is_surrounded(grey: Grey, paper: float | None) -> bool:
    """Return whether black or white paper is on the whole border and in the corners, so that it is not the ink."""
    return paper in (0, 255) and all((part == paper).all() for part in edges_of(grey))


def find_flat_paper(grey: Grey) -> float | None:
    """Return the grey level of the paper if the picture was drawn (MNIST, a canvas), or None if it was photographed.

    The paper of a drawn picture has one exact level, mostly along the border too, and all ink is either darker or
    brighter. The paper of a photograph has many levels because of illumination and noise.
    """
    levels = grey.astype(np.uint8)
    border = border_values(levels)
    # The border counts as much as the rest, because thick strokes may cover more than half of a canvas.
    counts = histogram(levels)
    paper = int(np.argmax(counts / grey.size + np.bincount(border, minlength=256) / border.size))
    if counts[max(paper - 1, 0) : paper + 1].sum() / grey.size < MIN_PAPER_SHARE:  # most photographs
        return None
    near = np.abs(grey - paper) < 1
    # Compression artefacts surround strokes with levels on the other side of the paper's.
    brighter, darker = grey > paper + COMPRESSION_LEVELS, grey < paper - COMPRESSION_LEVELS
    other_side = min(np.count_nonzero(brighter), np.count_nonzero(darker)) / grey.size
    # A digit cropped to its ink covers most of the border. Then, black or white paper shows that the picture is drawn.
    min_border = 0.12 if paper in (0, 255) else 0.35
    share = np.count_nonzero(near) / grey.size
    flat = share >= MIN_PAPER_SHARE and border_values(near).mean() >= min_border and other_side < 0.01
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
    mask = level > 0.45 * percentile(level[level >= MIN_CONTRAST], 95)
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
    edges = scipy.ndimage.gaussian_gradient_magnitude(small, 0.7) if factor < 1 else _half_range(small)
    best, best_score = None, 0.0
    for bright in (False, True):
        # Chalkboards and screens are dark; on a bright picture, bright structures are mostly the page.
        weight = BRIGHT_ON_BRIGHT if bright and median(small) > 127 else 1.0
        found, score = _best_window(small, bright, edges, best_score / weight)
        if found:
            best, best_score = found, weight * score
    if best is None:
        raise EmptyPicture("it has one uniform colour, or only light and shadow")
    size = (grey.shape[1], grey.shape[0])
    full_mask = resize_to(best.mask.astype(np.float32), size, smooth=False) > 0.4
    return replace(best, mask=full_mask, width=best.width / factor, max_width=best.max_width / factor)


def _best_window(grey: Grey, bright: bool, edges: Grey, min_score: float) -> tuple[InkEstimate | None, float]:
    """Return the strokes in the window size that shows them best, and their score; None up to a minimum score.

    Args:
        grey: ``float32`` ``[h, w]``.
        bright: whether bright or dark structures are strokes.
        edges: ``float32`` ``[h, w]``, the magnitude of the gradient.
        min_score: the minimum score.
    """
    page = 255 - grey if bright else grey
    surrounded = _surrounded(page)
    levels = {share: _black_hat(page, surrounded, share) for share, _ in WINDOWS}
    ruled = _ruled_mask(levels[LINE_WINDOW])
    best, best_score = None, 0.0
    for share, factor in WINDOWS:
        marks = _find_marks(np.where(ruled, 0, levels[share]), edges)
        # The sum is an upper bound of the score.
        if factor * marks.scores.sum() <= min_score:
            continue
        score, mask = _strokes(marks)
        if factor * score > min_score:
            solid = scipy.ndimage.binary_closing(mask, np.ones((GRAIN, GRAIN))) | mask
            found = InkEstimate(mask, bright, *stroke_width(solid))
            score *= factor * _stroke_likeness(grey, replace(found, mask=solid))
            if score > min_score:
                # A larger window must be better by a factor.
                best, best_score, min_score = found, score, WINDOW_GAIN * score
    return best, best_score


def _stroke_likeness(grey: Grey, estimate: InkEstimate) -> float:
    """Return how much a mask resembles pen strokes: of uniform width, and of high contrast to the paper next to it.

    A page on a table, light between shadows, and the grain within a wide stroke have parts of all widths or low
    contrast.
    """
    mask, width = estimate.mask, estimate.width
    if not mask.any():
        return 0.0
    near = scipy.ndimage.binary_dilation(mask, iterations=2)
    nearby = scipy.ndimage.binary_dilation(near, iterations=int(width / 2 + 1)) & ~near
    ink, paper = float(grey[mask].mean()), float(grey[nearby].mean()) if nearby.any() else 0.0
    return min(1.0, 2 * width / estimate.max_width) * abs(paper - ink) / max(paper, ink, 1.0)


def _ruled_mask(level: Grey) -> Mask:
    """Return where ruled lines are, roughly."""
    top = percentile(level, 99.5)
    spread = 1.4826 * median(np.abs(level))
    level = np.maximum(level, 0)
    # Without noise, the picture would count as drawn.
    return remove_ruled_lines(level, max(top, 1.0), max(spread, 1e-3), thorough=False) < level


def _half_range(grey: Grey) -> Grey:
    """Return half the range of the values in each pixel's 3 x 3 neighbourhood."""
    return (window_max(grey, 3) - window_min(grey, 3)) / 2


def _surrounded(page: Grey) -> Grey:
    """Return the page with a pixel of its paper on all sides, so that strokes that touch the border end there."""
    padded = np.pad(page, 1, mode="edge")
    for side in (padded[0], padded[-1], padded[:, 0], padded[:, -1]):
        side[:] = scipy.ndimage.median_filter(side, len(side) // 2 | 1, mode="nearest")
    return padded


def _black_hat(page: Grey, surrounded: Grey, share: float) -> Grey:
    """Return how much darker than their surroundings structures thinner than a window are (black-hat).

    Args:
        page: ``float32`` ``[h, w]``.
        surrounded: see :func:`_surrounded`.
        share: the window, relative to the side of the page.
    """
    window = max(3, int(share * page.size**0.5) | 1)
    margin = window // 2 + 1
    padded = np.pad(surrounded, margin - 1, mode="edge")
    level = closing(padded, window)[margin:-margin, margin:-margin] - page
    return level - median(level)


def _find_marks(level: Grey, edges: Grey) -> Marks:
    """Return the components that are darker than the paper.

    Args:
        level: ``float32`` ``[h, w]``, the difference of each pixel from the paper.
        edges: ``float32`` ``[h, w]``, the magnitude of the gradient.
    """
    top = percentile(scipy.ndimage.uniform_filter(level, 3) if level.size > 5000 else level, 99.8)
    mask = level > max(0.45 * top, 4.0 * 1.4826 * median(np.abs(level)), MIN_CONTRAST)
    # For the thousands of specks of a photograph, this is faster than `find_components`.
    labels, count = scipy.ndimage.label(mask, np.ones((3, 3)))
    inside = labels[mask]

    def sums(values: ndarray | None) -> ndarray:
        return np.bincount(inside, None if values is None else values[mask], count + 1)[1:]

    area, ink_mass = sums(None), sums(level)
    # Ink has sharp edges on all sides; shadows and the light between them do not.
    contour = outline(mask)
    edge_sums = sums(np.where(contour, edges, 0))
    sharpness = edge_sums / np.maximum(sums(contour), 1)
    quality = np.clip(2 * sharpness * area / ink_mass, 0, 1) ** 2
    at_border = np.zeros(count + 1, bool)
    at_border[border_values(labels)] = True
    return Marks(mask, labels, area, np.sqrt(edge_sums * ink_mass) * quality * np.where(at_border[1:], 0.15, 1))


def _strokes(marks: Marks) -> tuple[float, Mask]:
    """Return the total score of the marks, and the mask of those that resemble strokes."""
    max_distance = np.zeros(len(marks.area) + 1)
    np.maximum.at(max_distance, marks.labels[marks.mask], distance_to_paper(marks.mask)[marks.mask])
    # A stroke is longer than wide: squares and disks of any size have a length near 1, digits above 3.
    length = marks.area / np.maximum(2 * max_distance[1:] - 1, 1.5) ** 2
    scores = marks.scores * np.clip((length - 1.5) / 5, 0.02, 1)
    keep = scores >= 0.1 * scores.max()
    return float(scores.sum()), np.concatenate([[False], keep])[marks.labels]
