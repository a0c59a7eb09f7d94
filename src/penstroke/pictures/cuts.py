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

SPACING, REACH = 0.08, 0.12
"""Between seams that are tried, and how far each strays to its sides, as shares of the line's height."""
SLANTS = (-0.3, 0.0, 0.3, 0.6)
"""Columns that seams move to the left for each row further down."""
SAME_SEAM, MOST_SEAMS = 1.0, 24
"""Ink between two seams, in squares of the stroke's width, below which they are the same, and how many are tried."""
NARROWEST, WIDEST = 0.12, 1.5
"""Of a digit, as shares of the line's height."""
LOWEST, IMPOSSIBLE = 0.5, 9.0
"""Height of a digit, as a share of its line's, below which a piece is none, and what such a piece costs."""
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
    seams, costs = find_seams(level, height, width)
    chains = len(seams)
    side = level.shape[1]
    starts, ends, images, inks = [], [], [], []
    columns = np.arange(side)
    for i in range(chains):
        for j in range(i + 1, chains):
            gap = seams[j] - seams[i]
            wide = float(np.median(gap)) / height
            if gap.min() < 0 or wide < NARROWEST or (wide > WIDEST and (i, j) != (0, chains - 1)):
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
        return IMPOSSIBLE
    tall, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    if tall < LOWEST * height:
        return IMPOSSIBLE
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


def find_seams(level: Grey, height: float, width: float) -> tuple[Int[ndarray, "s h"], Float[ndarray, " s"]]:
    """Return seams from left to right, the first and last beyond the ink, and the ink that each crosses.

    Each is the path of least ink down a narrow strip; strips stand at all places, upright and slanted.

    Returns:
        For each seam its column in every row, and the sum of levels along it.
    """
    rows, columns = level.shape
    step = max(2.0, SPACING * height)
    reach = max(1, round(REACH * height))
    middles = np.arange(step, columns - step / 2, step)
    lean = np.round(np.outer(SLANTS, np.arange(rows) - rows / 2)).astype(int)
    # Each strip's first column in every row; beyond the sides there is paper.
    first = np.round(middles)[None, :, None].astype(int) - reach - lean[:, None]
    first = first.reshape(-1, rows)
    margin = int(reach + np.abs(lean).max() + 1)
    at = np.clip(first[:, :, None] + np.arange(2 * reach + 1), -margin, columns + margin - 1)
    paths = least_paths(np.pad(level, ((0, 0), (margin, margin)))[np.arange(rows)[None, :, None], at + margin])
    found = np.clip(first + paths, 0, columns)
    costs = np.pad(level, ((0, 0), (0, 1)))[np.arange(rows), found].sum(1)
    # Two seams are one where hardly any ink lies between them; of those, the one through least ink is kept.
    ink = np.pad(np.cumsum(level, axis=1), ((0, 0), (1, 0)))
    left = ink[np.arange(rows), found]
    seams, crossed = [np.zeros(rows, int), np.full(rows, columns)], [0.0, 0.0]
    kept = [np.zeros(rows), ink[:, -1]]
    for k in np.argsort(costs, kind="stable"):
        if all(np.abs(left[k] - other).sum() > SAME_SEAM * width**2 for other in kept):
            seams.append(found[k])
            crossed.append(float(costs[k]))
            kept.append(left[k])
        if len(seams) == MOST_SEAMS:
            break
    order = np.argsort([np.median(seam) for seam in seams], kind="stable")
    return np.stack(seams)[order], np.array(crossed)[order]


def least_paths(strips: Float[ndarray, "n h w"]) -> Int[ndarray, "n h"]:
    """Return for each strip the path from top to bottom that crosses least ink: its column in every row."""
    count, rows, wide = strips.shape
    # Paper costs a little by its distance from the middle, so that a path does not wander.
    price = strips + 0.01 + 0.02 * np.abs(np.arange(wide) - wide // 2) / wide
    total = price[:, 0].astype(np.float64)
    came = np.zeros((rows, count, wide), int)
    for row in range(1, rows):
        ways = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
        ways = np.stack([ways[:, 1:-1], ways[:, :-2] + 0.3 * price[:, row], ways[:, 2:] + 0.3 * price[:, row]])
        best = ways.argmin(0)
        came[row] = np.array([0, -1, 1])[best]
        total = price[:, row] + np.take_along_axis(ways, best[None], 0)[0]
    path = np.empty((count, rows), int)
    path[:, -1] = total.argmin(1)
    for row in range(rows - 1, 0, -1):
        path[:, row - 1] = path[:, row] + came[row, np.arange(count), path[:, row]]
    return path


def without_crumbs(piece: Grey) -> Grey:
    """Return the ink without the small bits that a cut leaves of the neighbours."""
    pieces, count = ndimage.label(piece > 0.25, np.ones((3, 3)))
    if count < 2:
        return piece
    energy = np.bincount(pieces.ravel(), piece.ravel(), minlength=count + 1)[1:]
    keep = np.concatenate([[True], energy >= 0.12 * energy.max()])
    return np.where(keep[pieces], piece, 0).astype(np.float32)
