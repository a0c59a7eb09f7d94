"""Cut ink in which digits touch.

Candidate cuts are seams of little ink from top to bottom, which bend around strokes so that slanted neighbours can be
separated. The ink between two seams is scored by a classifier, and dynamic programming finds the sequence of
candidates with the highest total score. If the ink can also be read as a whole, the sequence of classes is chosen on
which the parts and the whole agree best. This module does not depend on models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from penstroke.pictures.basics import Grey
from penstroke.pictures.components import find_components
from penstroke.pictures.filters import median
from penstroke.pictures.shape import to_symbol
from penstroke.pictures.strips import to_strip

ScoreFunction: TypeAlias = Callable[[UInt8[ndarray, "n 28 28"]], Float[ndarray, "n classes"]]
"""Returns log-probabilities (or probabilities) of classes for images of symbols."""
Readings: TypeAlias = list[tuple[tuple[int, ...], float]]
"""Sequences of classes, from left to right, with their log-probabilities; the most probable one first."""
ReadFunction: TypeAlias = Callable[[UInt8[ndarray, "28 w"]], Readings]
"""Returns readings of a strip of symbols; see ``penstroke.pictures.strips``."""

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
MIN_LOG_PROB = -12.0
"""Lowest log-probability of a class, so that one part that does not resemble its class does not exclude a reading."""


def log_scores(score: ScoreFunction, images: list[UInt8[ndarray, "28 28"]]) -> Float[ndarray, "n classes"]:
    """Return log-probabilities for images, whether ``score`` returns log-probabilities or probabilities."""
    values = np.asarray(score(np.stack(images)), np.float64)
    return values if values.max() <= 0 else np.log(np.maximum(values, 1e-9))


@dataclass(frozen=True)
class Cut:
    """The ink of one digit that is cut from others.

    Args:
        ink: ``float32`` ``[h, w]``, its levels, of the shape of the ink that it is cut from.
        log_prior: log-probabilities of its classes by the readings of the whole; None without readings, and for a
            digit that is not cut from others.
    """

    ink: Grey
    log_prior: Float[ndarray, " classes"] | None = None


def cut_digits(
    level: Grey, height: float, width: float, score: ScoreFunction, read: ReadFunction | None = None
) -> list[Cut]:
    """Return the digits in a component of ink, from left to right.

    Args:
        level: ``float32`` ``[h, w]``, 0 for paper to 1 for full ink, of this component only.
        height: the usual height of the line's digits in pixels.
        width: the usual width of a stroke in pixels.
        score: returns log-probabilities or probabilities for images of symbols.
        read: reads the component as a whole; None if no such function is available.
    """
    parts = _Parts(level, height, width, score)
    readings = [(labels, log_prob) for labels, log_prob in (read(to_strip(level)) if read else []) if labels]
    best, chosen = -np.inf, list[int]()
    for labels, log_prob in readings:
        if log_prob - DIGIT_PENALTY * len(labels) > best:  # the highest total that its parts can have
            total, sequence = parts.best(labels)
            if total + log_prob > best:
                best, chosen = total + log_prob, sequence
    if len(chosen) < 2:  # a mark by itself, which may be a sign: its image alone decides
        return [Cut(parts.ink(k)) for k in chosen or parts.best()[1]]
    priors = _priors([reading for reading in readings if len(reading[0]) == len(chosen)], parts.classes)
    return [Cut(parts.ink(k), prior) for k, prior in zip(chosen, priors, strict=True)]


def _priors(readings: Readings, classes: int) -> Float[ndarray, "length classes"]:
    """Return the log-probabilities of the classes at each position of readings of equal length."""
    priors = np.full((len(readings[0][0]), classes), MIN_LOG_PROB)
    for labels, log_prob in readings:
        positions = np.arange(len(labels))
        priors[positions, labels] = np.logaddexp(priors[positions, labels], log_prob)
    return priors - np.logaddexp.reduce(priors, 1, keepdims=True)


class _Parts:
    """The parts of ink between two seams that may be digits. They are cut and scored when they are needed."""

    def __init__(self, level: Grey, height: float, width: float, score: ScoreFunction) -> None:
        self._level, self._height, self._width, self._score = level, height, width, score
        self._seams, crossed_ink = find_seams(level, height, width)
        starts, ends = _candidates(self._seams, height)
        self._starts, self._ends = np.array(starts), np.array(ends)
        self._seam_penalties = SEAM_PENALTY * (crossed_ink / width) ** 1.5
        self._inks: dict[int, Grey] = {}
        self._scores: dict[int, Float[ndarray, " classes"]] = {}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(next(iter(self._scores.values())))

    def best(self, labels: tuple[int, ...] | None = None) -> tuple[float, list[int]]:
        """Return the highest total score of parts that are all of the ink, and these parts from left to right.

        Args:
            labels: the classes of the parts; None for any number of parts of any class.
        """
        # Scoring takes most of the time. Each part has the highest possible score until it belongs to the best
        # sequence; when all parts of the best sequence are scored, no other sequence can be better.
        while True:
            total, chosen = self._best_sequence(labels)
            new = [k for k in chosen if k not in self._inks]
            if not new:
                return total, chosen
            self._cut(new)

    def _best_sequence(self, labels: tuple[int, ...] | None) -> tuple[float, list[int]]:
        if labels is None:
            return best_path(self._starts, self._ends, self._scores_of(None), self._seam_penalties)
        # A path through copies of the seams, one for each number of digits to the left.
        count, seams = len(labels), len(self._seam_penalties)
        shifts = seams * np.arange(count)[:, None]
        total, path = best_path(
            (self._starts + shifts).ravel(),
            (self._ends + shifts + seams).ravel(),
            np.concatenate([self._scores_of(label) for label in labels]),
            np.tile(self._seam_penalties, count + 1),
        )
        return total, [k % len(self._starts) for k in path]

    def _scores_of(self, label: int | None) -> Float[ndarray, " n"]:
        """Return the scores of all parts, for a class or for their most probable class."""
        scores = np.full(len(self._starts), -DIGIT_PENALTY)
        scores[list(self._inks)] = -np.inf  # of parts without a stroke
        for k, values in self._scores.items():
            scores[k] = values.max() if label is None else values[label]
        return scores

    def _cut(self, new: list[int]) -> None:
        """Cut parts, and score how much each resembles a digit of each class: at most ``-DIGIT_PENALTY``."""
        self._inks |= {k: _between(self._level, self._seams[self._starts[k]], self._seams[self._ends[k]]) for k in new}
        written = [k for k in new if np.count_nonzero(self._inks[k] > 0.5) >= self._width**2]
        images = [to_symbol(self._inks[k]) for k in written]
        log_probs = log_scores(self._score, images) if written else np.empty((0, 0))
        for k, values in zip(written, log_probs, strict=True):
            penalty = _shape_penalty(self._inks[k], self._height) + DIGIT_PENALTY
            self._scores[k] = np.maximum(values, MIN_LOG_PROB) - penalty

    def ink(self, k: int) -> Grey:
        """Return the ink of a part, of the shape of all ink."""
        ink, left = self._inks[k], int(self._seams[self._starts[k]].min())
        return np.pad(ink, ((0, 0), (left, self._level.shape[1] - left - ink.shape[1])))


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


def best_path(
    starts: Int[ndarray, " n"], ends: Int[ndarray, " n"], scores: Float[ndarray, " n"], penalties: Float[ndarray, " s"]
) -> tuple[float, list[int]]:
    """Return the highest total of a path from the first to the last of numbered places, and its parts.

    Args:
        starts: the place at which each part begins.
        ends: the place at which each part ends, after that where it begins.
        scores: score of each part.
        penalties: penalty of each place.

    Returns:
        The total and the indices of the parts; minus infinity and none without such a path.
    """
    best = np.full(len(penalties), -np.inf)
    best[0] = 0.0
    last = np.full(len(penalties), -1)
    for k in np.argsort(ends, kind="stable"):
        total = best[starts[k]] + scores[k] - penalties[ends[k]]
        if total > best[ends[k]]:
            best[ends[k]], last[ends[k]] = total, k
    path: list[int] = []
    place = len(penalties) - 1
    while place > 0 and last[place] >= 0:
        path.append(int(last[place]))
        place = int(starts[last[place]])
    return float(best[-1]), path[::-1]


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
