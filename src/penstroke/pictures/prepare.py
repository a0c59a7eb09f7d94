"""From a photo, scan, screenshot or drawing of one symbol to the picture that a network was trained on.

``prepare`` is the whole road; ``prepare_with_stages`` keeps every step of it to look at. The rule ``digit`` makes
what MNIST's makers would have made; ``letterbox`` only fits a picture into a square, for datasets of things. This
file knows no network.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy import ndimage

from penstroke.errors import UsageError, nearest
from penstroke.pictures.basics import EmptyPicture, Stage, Watch, as_picture, rim
from penstroke.pictures.ink import Ink, find_ink
from penstroke.pictures.letterbox import letterbox, to_channels
from penstroke.pictures.shape import to_symbol

FAINTEST_STROKE, FULL_STROKE = 0.5, 0.62
"""Of the pen's full strength, that half of a stroke reaches: below the first it is no pen's, from the second it is."""
SHARP_EDGE = 0.9
"""Between them, how much of its strength an edge gains over the stroke's width."""
NOISIEST = 0.12
"""Spread of the paper's level as a share of the pen's; a noisy photograph of pencil has 0.09."""
LEAST_CORE = 0.2
"""Of the ink that hangs together, that a symbol has which hangs on to the rim."""
LEAST_SHARE = 0.06
"""Of all ink, that one symbol has."""

Picture = UInt8[ndarray, "h w *c"]


def prepare(picture: Picture, rule: str = "digit", size: int = 28, watch: Watch | None = None) -> UInt8[ndarray, "s s"]:
    """Return the picture of one symbol as the network knows it.

    Args:
        picture: uint8, grey ``[h, w]`` or colour ``[h, w, 3]``, dark on bright or bright on dark.
        rule: ``digit`` (ink found, cropped, centred by mass, white on black) or ``letterbox`` (fitted, grey).
        size: the side of the result in pixels.
        watch: is shown each stage, such as a list's ``append``.

    Raises:
        EmptyPicture: by the rule ``digit``, where nothing is ink.
        UsageError: there is no such rule.
    """
    if rule not in RULES:
        raise UsageError(f"There is no rule {rule!r} to prepare pictures by.", nearest(rule, RULES))
    return RULES[rule](picture, size, watch)


def prepare_with_stages(picture: Picture, rule: str = "digit", size: int = 28) -> list[Stage]:
    """Return every step of ``prepare`` by name; the last one's image is its result."""
    stages = [Stage("picture", picture)]
    result = prepare(picture, rule, size, stages.append)
    return [*stages, Stage("result", result, f"{size} x {size} pixels")]


def _digit(picture: Picture, size: int, watch: Watch | None) -> UInt8[ndarray, "s s"]:
    ink = find_ink(picture, watch)
    mask = off_the_rim(ink, main_group(ink))
    check_written(ink, mask)
    symbol = isolate(ink, mask)
    if watch:
        watch(Stage("symbol", as_picture(symbol), "specks, borders and neighbours left out"))
    return to_symbol(symbol, size, watch)


def _letterbox(picture: Picture, size: int, _watch: Watch | None) -> UInt8[ndarray, "s s"]:
    return to_channels(letterbox(picture, (size, size)), 1)[0]


RULES: dict[str, Callable[[Picture, int, Watch | None], UInt8[ndarray, "s s"]]] = {
    "digit": _digit,
    "letterbox": _letterbox,
}


def off_the_rim(ink: Ink, mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the symbol without the page's edge or the table that it hangs on to by a link thinner than its strokes."""
    if ink.noise == 0 or not rim(mask).any():
        return mask
    depth = max(1, round(0.3 * ink.width))
    cores, count = ndimage.label(ndimage.binary_erosion(mask, np.ones((3, 3)), depth, border_value=1), np.ones((3, 3)))
    energy = np.bincount(cores.ravel(), ink.level.ravel(), minlength=count + 1)
    energy[rim(cores)] = energy[0] = 0
    if energy.max() < LEAST_CORE * ink.level[mask].sum():
        return mask
    core = cores == energy.argmax()
    return mask & ndimage.binary_dilation(core, np.ones((3, 3)), depth + 1)


def check_written(ink: Ink, mask: Bool[ndarray, "h w"]) -> None:
    """Refuse what no pen wrote: grain, what fades at all sides as shades and faces do, and one tile of a pattern.

    Raises:
        EmptyPicture: the marks in ``mask`` fade all over, or are a small part of all ink.
    """
    if ink.noise > NOISIEST:
        raise EmptyPicture("no stroke stands out from the paper's own grain")
    edges = ndimage.gaussian_gradient_magnitude(ink.level, 0.7)[mask & ~ndimage.binary_erosion(mask)]
    full, sharp = float(np.median(ink.level[mask])), ink.width * float(np.median(edges))
    fades = full < FAINTEST_STROKE or (full < FULL_STROKE and sharp < SHARP_EDGE)
    if fades and ink.noise > 0:  # what was drawn may be enlarged and so blurred as one likes
        raise EmptyPicture("light and shadow, with no stroke of a pen")
    if ink.level[mask].sum() < LEAST_SHARE * ink.level[ink.mask].sum():
        raise EmptyPicture("a pattern or many marks, none of which stands out")


def main_group(ink: Ink) -> Bool[ndarray, "h w"]:
    """Return the mask of the one symbol: the strongest piece of ink, and the pieces that belong to it.

    A piece belongs to it if it is near for the symbol's size, and big enough to be a stroke: a 5's hat, a pen that
    skipped. What touches the picture's rim is a border or a neighbour, unless there is nothing else.
    """
    pieces, count = ndimage.label(ink.mask, np.ones((3, 3)))
    boxes = ndimage.find_objects(pieces)
    energy = np.bincount(pieces.ravel(), ink.level.ravel(), minlength=count + 1)[1:]
    height, width = ink.mask.shape
    frame = np.array([[b[0].start, b[1].start, b[0].stop, b[1].stop] for b in boxes], float)
    at_rim = (frame[:, :2] <= 0).any(1) | (frame[:, 2] >= height) | (frame[:, 3] >= width)
    frame_like = at_rim & (((frame[:, 2:] - frame[:, :2]) / [height, width]).max(1) > 0.8)
    # A drawn picture has no table and no neighbours: what touches its rim belongs to it.
    at_rim &= ink.noise > 0
    away = np.hypot((frame[:, 0] + frame[:, 2]) / height - 1, (frame[:, 1] + frame[:, 3]) / width - 1)
    worth = energy * np.where(frame_like, 0.03, np.where(at_rim, 0.15, 1)) * (1.2 - 0.5 * np.minimum(away, 1))
    main = int(np.argmax(worth))
    if energy[main] < 0.5 * ink.width**2:
        raise EmptyPicture("there are only specks")
    chosen = {main}
    box = frame[main].copy()
    # The nearest first, so that a symbol grows from its middle.
    for i in np.argsort(_gaps(frame, box)):
        side = max(box[2] - box[0], box[3] - box[1])
        is_stroke = energy[i] >= max(0.02 * energy[main], 0.4 * ink.width**2) and not (at_rim[i] and not at_rim[main])
        if i != main and is_stroke and _gaps(frame[i : i + 1], box)[0] <= 0.3 * side:
            chosen.add(int(i))
            box = np.concatenate([np.minimum(box[:2], frame[i, :2]), np.maximum(box[2:], frame[i, 2:])])
    return np.isin(pieces, [i + 1 for i in chosen])


def _gaps(frame: Float[ndarray, "n 4"], box: Float[ndarray, " 4"]) -> Float[ndarray, " n"]:
    """Return the empty distance in pixels from each box to ``box``; 0 where they overlap."""
    between = np.maximum(np.maximum(frame[:, :2] - box[2:], box[:2] - frame[:, 2:]), 0)
    return np.hypot(between[:, 0], between[:, 1])


def isolate(ink: Ink, mask: Bool[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    """Return the levels of the ink in ``mask`` and of its soft edge, and 0 elsewhere."""
    edge = max(2, round(0.4 * ink.width))
    # No other piece's ink, however near.
    near = ndimage.binary_dilation(mask, np.ones((3, 3)), edge) & (mask | ~ink.mask)
    return np.where(near, ink.level, 0).astype(np.float32)
