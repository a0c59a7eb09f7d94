"""Prepare a photo, scan, screenshot or drawing of one symbol as an image in the style of MNIST.

``prepare`` finds the ink, selects the symbol, and normalises its size, position and stroke width. This module does not
depend on models.
"""

import numpy as np
import scipy
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from penstroke.errors import EmptyPicture
from penstroke.pictures.basics import Grey, Mask, StageCallback, border_values, bounding_box, show_stage
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import dilation, erosion, median, outline
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.shape import to_symbol

MIN_STRENGTH, SURE_STRENGTH = 0.5, 0.62
"""Median level of a symbol below which its marks are not pen strokes, and from which they are."""
MIN_SHARPNESS = 0.9
"""Between these two, the minimum increase of the level across the edge of a stroke, times the stroke's width."""
MAX_NOISE = 0.12
"""Maximum noise of the paper relative to the pen's level. Noisy photographs of pencil have 0.09."""
MIN_CORE_SHARE = 0.2
"""Fraction of the ink of a connected component that a symbol must have to be detached from the border."""
MIN_INK_SHARE = 0.06
"""Fraction of all ink in the picture that a single symbol must have."""


def prepare(
    picture: UInt8[ndarray, "h w *c"], size: int = 28, on_stage: StageCallback | None = None
) -> UInt8[ndarray, "s s"]:
    """Return the picture of one symbol in the style of MNIST: white on black, scaled to its box, centred by mass.

    Args:
        picture: ``uint8``, grey ``[h, w]`` or colour ``[h, w, 3]``, dark on bright or bright on dark.
        size: the side of the result in pixels.
        on_stage: called with each stage, for example ``list.append``.

    Raises:
        EmptyPicture: no symbol is found.
    """
    return symbol_in(find_ink(picture, on_stage), size, on_stage)


def symbol_in(ink: Ink, size: int = 28, on_stage: StageCallback | None = None) -> UInt8[ndarray, "s s"]:
    """Return the only symbol of a picture: see ``prepare``.

    Raises:
        EmptyPicture: no symbol is found.
    """
    mask = detach_from_border(ink, symbol_mask(ink))
    check_strokes(ink, mask)
    symbol = isolate(ink.level, ink.mask, mask, ink.width)
    show_stage(on_stage, "symbol", lambda: symbol, "without specks, borders and neighbours")
    return to_symbol(symbol, size, on_stage)


def symbol_mask(ink: Ink) -> Mask:
    """Return the mask of the symbol: the main component of the ink and the components that belong to it.

    A component belongs to the symbol if it is close relative to the symbol's size and large enough to be a stroke,
    such as the top bar of a 5 or a stroke that the pen interrupted. Components that touch the picture's border are
    borders or neighbours, unless there are no others.

    Raises:
        EmptyPicture: the main component is a speck.
    """
    labels, boxes = ink.components.labels, ink.components.boxes
    ink_mass = np.bincount(labels.ravel(), ink.level.ravel())[1:]
    if len(boxes) == 1 and ink_mass[0] >= 0.5 * ink.width**2:
        return ink.mask
    height, width = ink.mask.shape
    at_border = (boxes[:, :2] <= 0).any(1) | (boxes[:, 2] >= height) | (boxes[:, 3] >= width)
    frame_like = at_border & (((boxes[:, 2:] - boxes[:, :2]) / [height, width]).max(1) > 0.8)
    # A drawn picture has no table and no neighbours; a component that touches its border belongs to the symbol.
    at_border &= ink.noise > 0
    distance = np.hypot((boxes[:, 0] + boxes[:, 2]) / height - 1, (boxes[:, 1] + boxes[:, 3]) / width - 1)
    weight = np.where(frame_like, 0.03, np.where(at_border, 0.15, 1))
    main = int(np.argmax(ink_mass * weight * (1.2 - 0.5 * np.minimum(distance, 1))))
    if ink_mass[main] < 0.5 * ink.width**2:
        raise EmptyPicture("there are only specks")
    min_mass = max(0.02 * ink_mass[main], 0.4 * ink.width**2)
    chosen = np.zeros(len(boxes) + 1, bool)
    chosen[main + 1] = True
    box = boxes[main].copy()
    # The nearest component first, so that the symbol grows from its middle.
    for i in np.argsort(_gaps(boxes, box)):
        side = max(box[2] - box[0], box[3] - box[1])
        is_stroke = ink_mass[i] >= min_mass and not (at_border[i] and not at_border[main])
        if i != main and is_stroke and _gaps(boxes[i : i + 1], box)[0] <= 0.3 * side:
            chosen[i + 1] = True
            box = np.concatenate([np.minimum(box[:2], boxes[i, :2]), np.maximum(box[2:], boxes[i, 2:])])
    return chosen[labels]


def _gaps(boxes: Int[ndarray, "n 4"], box: Int[ndarray, " 4"]) -> Float[ndarray, " n"]:
    """Return the distance in pixels between each box and ``box``; 0 if they overlap."""
    between = np.maximum(np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:]), 0)
    return np.hypot(between[:, 0], between[:, 1])


def detach_from_border(ink: Ink, mask: Mask) -> Mask:
    """Return the symbol without a page edge or table that a link thinner than its strokes connects to it."""
    if ink.noise == 0 or not border_values(mask).any():
        return mask
    depth = max(1, round(0.3 * ink.width))
    cores = find_components(erosion(mask, depth)).labels
    ink_mass = np.bincount(cores.ravel(), ink.level.ravel())
    ink_mass[border_values(cores)] = ink_mass[0] = 0
    if ink_mass.max() < MIN_CORE_SHARE * ink.level[mask].sum():
        return mask
    core = cores == ink_mass.argmax()
    return mask & dilation(core, depth + 1)


def check_strokes(ink: Ink, mask: Mask) -> None:
    """Check that the marks in ``mask`` are pen strokes, and most of what is written.

    Raises:
        EmptyPicture: see ``check_pen``, or the marks are a small part of all ink, such as one tile of a pattern.
    """
    check_pen(ink, mask)
    if mask is not ink.mask and ink.level[mask].sum() < MIN_INK_SHARE * ink.level[ink.mask].sum():
        raise EmptyPicture("there is a pattern, or many marks of which none stands out")


def check_pen(ink: Ink, mask: Mask) -> None:
    """Check that the marks in ``mask`` are pen strokes.

    Raises:
        EmptyPicture: the marks are the grain of the paper, or fade on all sides as shadows and faces do.
    """
    if ink.noise > MAX_NOISE:
        raise EmptyPicture("no stroke stands out from the grain of the paper")
    if ink.noise > 0 and _fades(ink, mask):  # a drawn picture, which has no noise, may be blurred by enlargement
        raise EmptyPicture("there is only light and shadow, and no pen stroke")


def _fades(ink: Ink, mask: Mask) -> bool:
    """Return whether the marks in ``mask`` are faint, or fairly faint without a sharp edge."""
    strength = median(ink.level[mask])
    if strength >= SURE_STRENGTH or strength < MIN_STRENGTH:
        return strength < MIN_STRENGTH
    edges = scipy.ndimage.gaussian_gradient_magnitude(ink.level, 0.7)[outline(mask)]
    return ink.width * median(edges) < MIN_SHARPNESS


def isolate(level: Grey, ink: Mask, mask: Mask, width: float) -> Grey:
    """Return the levels of the ink in ``mask`` and of its soft edge, and 0 elsewhere.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for full ink.
        ink: ``bool`` ``[h, w]``, all ink.
        mask: ``bool`` ``[h, w]``, a part of the ink.
        width: the width of strokes in pixels.
    """
    edge = max(2, round(0.4 * width))
    region = bounding_box(mask, edge)
    # The ink of other components is excluded, however close it is.
    near = dilation(mask[region], edge) & (mask | ~ink)[region]
    symbol = np.zeros_like(level)
    symbol[region] = np.where(near, level[region], 0)
    return symbol
