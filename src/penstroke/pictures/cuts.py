"""Where to cut ink in which digits touch: along seams of little ink, the scores of the pieces choosing among them.

A seam runs from top to bottom and bends around strokes, so that slanted neighbours come apart. All pieces between any
two seams are scored at once, and the best chain of pieces is found exactly. This file knows no model.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from scipy import ndimage

from penstroke.pictures.basics import Grey
from penstroke.pictures.shape import to_symbol

Score: TypeAlias = Callable[[UInt8[ndarray, "n 28 28"]], Float[ndarray, "n classes"]]
"""Gives log-probabilities (or probabilities) of classes to pictures of symbols."""

SPACING = 0.1
"""Between seams that are tried, as a share of the line's height."""
NARROWEST, WIDEST = 0.12, 1.5
"""Of a digit, as shares of the line's height."""
SEAM_COST = 0.35
"""What a seam costs that crosses one stroke, in units of log-probability; one that crosses two costs much more."""
PIECE_COST = 0.3
"""What each further piece costs: two digits are as sure as one only if both are."""


def log_scores(score: Score, images: list[UInt8[ndarray, "28 28"]]) -> Float[ndarray, "n classes"]:
    """Return log-probabilities, whichever of the two ``score`` gives."""
    values = np.asarray(score(np.stack(images)), np.float64)
    return values if values.max() <= 0 else np.log(np.maximum(values, 1e-9))


def split(level: Grey, height: float, width: float, score: Score) -> list[Grey]:
    """Return the ink of each digit in a piece of ink, from left to right, each as large as ``level``.

    Args:
        level: float32 ``[h, w]``, the piece's ink and nothing else, 0..1.
        height: the usual height of the line's digits in pixels.
        width: the usual width of a stroke in pixels.
        score: scores pictures of symbols.
    """
    seams, costs = find_seams(level, height)
    chains = len(seams)
    side = level.shape[1]
    starts, ends, images, inks = [], [], [], []
    columns = np.arange(side)
    for i in range(chains):
        for j in range(i + 1, chains):
            wide = float(np.median(seams[j] - seams[i])) / height
            if wide < NARROWEST or (wide > WIDEST and (i, j) != (0, chains - 1)):
                continue
            between = (columns >= seams[i][:, None]) & (columns < seams[j][:, None])
            piece = without_crumbs(np.where(between, level, 0).astype(np.float32))
            if (piece > 0.5).sum() < width * width:
                continue
            starts.append(i)
            ends.append(j)
            inks.append(piece)
            images.append(to_symbol(piece))
    if not images:
        return [level]
    worth = log_scores(score, images).max(1)
    worth = worth - np.array([_odd_shape(ink, height) for ink in inks]) - PIECE_COST
    return [inks[k] for k in _best_chain(starts, ends, worth, SEAM_COST * (costs / width) ** 1.5, chains)]


def _odd_shape(ink: Grey, height: float) -> float:
    """Return what a piece costs for being wider or lower than digits are."""
    rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
    if not len(rows):
        return 9.0
    tall, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    return max(0.0, wide / max(tall, 0.8 * height) - 0.85) + max(0.0, 0.6 - tall / height)


def _best_chain(
    starts: list[int], ends: list[int], worth: Float[ndarray, " n"], seam_costs: Float[ndarray, " s"], chains: int
) -> list[int]:
    """Return the indices of the pieces that cover the ink from the first seam to the last for the best sum."""
    best = np.full(chains, -np.inf)
    best[0] = 0.0
    last = [-1] * chains
    for k in np.argsort(ends, kind="stable"):
        i, j = starts[k], ends[k]
        total = best[i] + worth[k] - seam_costs[j]
        if total > best[j]:
            best[j], last[j] = total, int(k)
    chain: list[int] = []
    at = chains - 1
    while at > 0 and last[at] >= 0:
        chain.append(last[at])
        at = starts[last[at]]
    return chain[::-1]


def find_seams(level: Grey, height: float) -> tuple[Int[ndarray, "s h"], Float[ndarray, " s"]]:
    """Return seams from left to right, the first and last beyond the ink, and the ink that each crosses.

    Returns:
        For each seam its column in every row, and the sum of levels along it.
    """
    rows, columns = level.shape
    step = max(2.0, SPACING * height)
    reach = max(2, round(0.3 * height))
    seams = [np.zeros(rows, int)]
    costs = [0.0]
    for middle in np.arange(step, columns - step / 2, step):
        low, high = max(0, int(middle) - reach), min(columns, int(middle) + reach + 1)
        seam, cost = _seam(level[:, low:high], int(middle) - low)
        seam = seam + low
        if not any(np.abs(seam - other).max() < 0.5 * step for other in seams):
            seams.append(seam)
            costs.append(cost)
    seams.append(np.full(rows, columns))
    costs.append(0.0)
    order = np.argsort([np.median(seam) for seam in seams], kind="stable")
    return np.stack(seams)[order], np.array(costs)[order]


def _seam(level: Grey, middle: int) -> tuple[Int[ndarray, " h"], float]:
    """Return the path from top to bottom that crosses least ink, near ``middle``, and how much it crosses."""
    rows, columns = level.shape
    # Paper costs a little by its distance from the middle, so that the path does not wander.
    away = 0.02 * np.abs(np.arange(columns) - middle) / max(1, columns)
    price = level + away + 0.01
    total = price.astype(np.float64).copy()
    for row in range(1, rows):
        above = total[row - 1]
        side = np.minimum(np.r_[np.inf, above[:-1]], np.r_[above[1:], np.inf]) + 0.3 * price[row]
        total[row] += np.minimum(above, side)
    path = np.empty(rows, int)
    path[-1] = int(np.argmin(total[-1]))
    for row in range(rows - 2, -1, -1):
        at = path[row + 1]
        near = range(max(0, at - 1), min(columns, at + 2))
        path[row] = min(near, key=lambda c: total[row, c] + (0.3 * price[row + 1, at] if c != at else 0.0))
    return path, float(level[np.arange(rows), path].sum())


def without_crumbs(piece: Grey) -> Grey:
    """Return the ink without the small bits that a cut leaves of the neighbours."""
    pieces, count = ndimage.label(piece > 0.25, np.ones((3, 3)))
    if count < 2:
        return piece
    energy = np.bincount(pieces.ravel(), piece.ravel(), minlength=count + 1)[1:]
    keep = np.concatenate([[True], energy >= 0.12 * energy.max()])
    return np.where(keep[pieces], piece, 0).astype(np.float32)
