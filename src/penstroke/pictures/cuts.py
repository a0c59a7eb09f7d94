"""Cut ink in which digits touch.

Candidate cuts are seams of little ink from top to bottom, which bend around strokes so that slanted neighbours can be
separated. The ink between two seams is scored by a classifier, and dynamic programming finds the sequence of
candidates with the highest total score. This module does not depend on models.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from penstroke.pictures.basics import Grey
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import median
from penstroke.pictures.shape import to_symbol

ScoreFunction: TypeAlias = Callable[[UInt8[ndarray, "n 28 28"]], Float[ndarray, "n classes"]]
"""Returns log-probabilities (or probabilities) of classes for images of symbols."""

SEAM_SPACING, SEAM_REACH = 0.08, 0.12
"""Distance between seams that are tried, and how far each may bend to either side, relative to the line's height."""
SLANTS = (-0.3, 0.0, 0.3, 0.6)
"""Columns by which seams move to the left per row downwards."""
MIN_INK_BETWEEN = 1.0
"""Minimum ink between two seams, in squares of the stroke width; with less, the cheaper seam replaces the other."""
MAX_SEAMS = 24
"""Maximum number of seams, including one on either side of the ink."""
MIN_WIDTH, MAX_WIDTH = 0.12, 1.5
"""Median width of a digit, relative to the line's height."""
MIN_HEIGHT = 0.5
"""Minimum height of a digit, relative to the line's height."""
TOO_LOW_PENALTY = 9.0
"""Penalty for ink below that height, in units of log-probability."""
SEAM_PENALTY = 0.35
"""Penalty for a seam across one stroke, in units of log-probability. Seams across two strokes cost much more."""
DIGIT_PENALTY = 0.3
"""Penalty for each digit, in units of log-probability: two digits need a higher score than one."""


def log_scores(score: ScoreFunction, images: list[UInt8[ndarray, "28 28"]]) -> Float[ndarray, "n classes"]:
    """Return log-probabilities for images, whether ``score`` returns log-probabilities or probabilities."""
    values = np.asarray(score(np.stack(images)), np.float64)
    return values if values.max() <= 0 else np.log(np.maximum(values, 1e-9))


def cut_digits(level: Grey, height: float, width: float, score: ScoreFunction) -> list[Grey]:
    """Return the ink of each digit in a component of ink, from left to right, each of the shape of ``level``.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for full ink, of this component only.
        height: the usual height of the line's digits in pixels.
        width: the usual width of a stroke in pixels.
        score: returns log-probabilities or probabilities for images of symbols.
    """
    seams, crossed_ink = find_seams(level, height, width)
    starts, ends = _candidates(seams, height)
    seam_penalties = SEAM_PENALTY * (crossed_ink / width) ** 1.5
    # Scoring takes most of the time. Each candidate has the highest possible score until it is part of the best
    # sequence; when all parts of the best sequence are scored, no other sequence can be better.
    scores = np.full(len(starts), -DIGIT_PENALTY)
    inks: dict[int, Grey] = {}
    while True:
        chosen = _best_sequence(starts, ends, scores, seam_penalties)
        new = [k for k in chosen if k not in inks]
        if not new:
            break
        inks |= {k: _between(level, seams[starts[k]], seams[ends[k]]) for k in new}
        scores[new] = _scores([inks[k] for k in new], height, width, score)
    lefts = {k: int(seams[starts[k]].min()) for k in chosen}
    return [np.pad(inks[k], ((0, 0), (lefts[k], level.shape[1] - lefts[k] - inks[k].shape[1]))) for k in chosen]


def _candidates(seams: Int[ndarray, "s h"], height: float) -> tuple[list[int], list[int]]:
    """Return the left and right seams of all pairs as far apart as the sides of a digit, or else the outermost pair."""
    pairs = []
    for i in range(len(seams)):
        for j in range(i + 1, len(seams)):
            gap = seams[j] - seams[i]
            wide = median(gap) / height
            whole = (i, j) == (0, len(seams) - 1)
            if gap.min() >= 0 and wide >= MIN_WIDTH and (wide <= MAX_WIDTH or whole):
                pairs.append((i, j))
    return [i for i, _ in pairs], [j for _, j in pairs]


def _scores(inks: list[Grey], height: float, width: float, score: ScoreFunction) -> Float[ndarray, " n"]:
    """Return how much each ink resembles one digit, at most ``-DIGIT_PENALTY``; minus infinity without a stroke."""
    scores = np.full(len(inks), -np.inf)
    written = [i for i, ink in enumerate(inks) if np.count_nonzero(ink > 0.5) >= width * width]
    if written:
        penalties = np.array([_shape_penalty(inks[i], height) for i in written])
        scores[written] = log_scores(score, [to_symbol(inks[i]) for i in written]).max(1) - penalties - DIGIT_PENALTY
    return scores


def _between(level: Grey, left: Int[ndarray, " h"], right: Int[ndarray, " h"]) -> Grey:
    """Return the ink from one seam to the next without fragments, in the columns that contain both seams."""
    columns = np.arange(left.min(), right.max())
    between = (columns >= left[:, None]) & (columns < right[:, None])
    return without_fragments(np.where(between, level[:, left.min() : right.max()], 0))


def _shape_penalty(ink: Grey, height: float) -> float:
    """Return the penalty for ink that is wider or lower than a digit."""
    rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
    if not len(rows):
        return TOO_LOW_PENALTY
    tall, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    if tall < MIN_HEIGHT * height:
        return TOO_LOW_PENALTY
    return max(0.0, wide / max(tall, 0.8 * height) - 0.85) + max(0.0, 0.6 - tall / height)


def _best_sequence(
    starts: list[int], ends: list[int], scores: Float[ndarray, " n"], seam_penalties: Float[ndarray, " s"]
) -> list[int]:
    """Return the indices of the candidates that cover the ink from the first seam to the last with the best total.

    Args:
        starts: index of each candidate's left seam.
        ends: index of each candidate's right seam.
        scores: score of each candidate.
        seam_penalties: penalty of each seam.
    """
    count = len(seam_penalties)
    best = np.full(count, -np.inf)
    best[0] = 0.0
    last = [-1] * count
    for k in np.argsort(ends, kind="stable"):
        i, j = starts[k], ends[k]
        total = best[i] + scores[k] - seam_penalties[j]
        if total > best[j]:
            best[j], last[j] = total, int(k)
    sequence: list[int] = []
    seam = count - 1
    while seam > 0 and last[seam] >= 0:
        sequence.append(last[seam])
        seam = starts[last[seam]]
    return sequence[::-1]


def find_seams(level: Grey, height: float, width: float) -> tuple[Int[ndarray, "s h"], Float[ndarray, " s"]]:
    """Return seams from left to right, and the ink that each crosses.

    Each seam is the path of least ink through a narrow strip. Strips are placed at regular distances, upright and
    slanted. The first and the last seam are outside the ink.

    Returns:
        The column of each seam in each row, and the sum of the levels along each seam.
    """
    rows, columns = level.shape
    step = max(2.0, SEAM_SPACING * height)
    reach = max(1, round(SEAM_REACH * height))
    middles = np.arange(step, columns - step / 2, step)
    shear = np.round(np.outer(SLANTS, np.arange(rows) - rows / 2)).astype(int)
    # The first column of each strip in each row; outside the picture there is paper.
    first = np.round(middles)[None, :, None].astype(int) - reach - shear[:, None]
    first = first.reshape(-1, rows)
    margin = int(reach + np.abs(shear).max() + 1)
    at = np.clip(first[:, :, None] + np.arange(2 * reach + 1), -margin, columns + margin - 1)
    paths = cheapest_paths(np.pad(level, ((0, 0), (margin, margin)))[np.arange(rows)[None, :, None], at + margin])
    candidates = np.clip(first + paths, 0, columns)
    crossed_ink = np.pad(level, ((0, 0), (0, 1)))[np.arange(rows), candidates].sum(1)
    # Of seams with hardly any ink between them, only the one that crosses least ink is kept.
    ink = np.pad(np.cumsum(level, axis=1), ((0, 0), (1, 0)))
    left = ink[np.arange(rows), candidates]
    seams, crossed = [np.zeros(rows, int), np.full(rows, columns)], [0.0, 0.0]
    left_of_seams = [np.zeros(rows), ink[:, -1]]
    for k in np.argsort(crossed_ink, kind="stable"):
        if all(np.abs(left[k] - other).sum() > MIN_INK_BETWEEN * width**2 for other in left_of_seams):
            seams.append(candidates[k])
            crossed.append(float(crossed_ink[k]))
            left_of_seams.append(left[k])
        if len(seams) == MAX_SEAMS:
            break
    order = np.argsort([np.median(seam) for seam in seams], kind="stable")
    return np.stack(seams)[order], np.array(crossed)[order]


def cheapest_paths(strips: Float[ndarray, "n h w"]) -> Int[ndarray, "n h"]:
    """Return for each strip the path from top to bottom that crosses least ink, as its column in each row."""
    count, rows, wide = strips.shape
    # Paper has a small cost that grows with the distance from the middle, so that paths remain near it.
    cost = strips + 0.01 + 0.02 * np.abs(np.arange(wide) - wide // 2) / wide
    total = cost[:, 0].astype(np.float64)
    moves = np.zeros((rows, count, wide), int)
    for row in range(1, rows):
        options = np.pad(total, ((0, 0), (1, 1)), constant_values=np.inf)
        left, right = options[:, :-2] + 0.3 * cost[:, row], options[:, 2:] + 0.3 * cost[:, row]
        options = np.stack([options[:, 1:-1], left, right])
        best = options.argmin(0)
        moves[row] = np.array([0, -1, 1])[best]
        total = cost[:, row] + np.take_along_axis(options, best[None], 0)[0]
    path = np.empty((count, rows), int)
    path[:, -1] = total.argmin(1)
    for row in range(rows - 1, 0, -1):
        path[:, row - 1] = path[:, row] + moves[row, np.arange(count), path[:, row]]
    return path


def without_fragments(ink: Grey) -> Grey:
    """Return the ink without the small components that a cut leaves of the neighbours."""
    labels = find_components(ink > 0.25).labels
    ink_mass = np.bincount(labels.ravel(), ink.ravel())[1:]
    if len(ink_mass) < 2:
        return ink
    keep = np.concatenate([[True], ink_mass >= 0.12 * ink_mass.max()])
    return np.where(keep[labels], ink, 0).astype(np.float32)
