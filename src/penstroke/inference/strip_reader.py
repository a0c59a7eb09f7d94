"""Read the digits of a strip of touching digits as a whole, with a bundled network.

The classifier of a model sees one digit at a time, so it cannot tell whether ink was cut where two digits touch: parts
of digits often resemble other digits. This network has seen touching digits. It needs onnxruntime alone.
"""

from functools import cache
from typing import TypeAlias

import numpy as np
import onnxruntime
from jaxtyping import Float, UInt8
from numpy import ndarray

from penstroke.models import bundled
from penstroke.pictures.cuts import Readings

BEAM = 8
"""Number of sequences that are kept while a strip is read."""
CLASSES_PER_COLUMN = 5
"""Number of digits, the most probable ones, by which a sequence may grow in a column."""
Beam: TypeAlias = dict[tuple[int, ...], tuple[float, float]]
"""Sequences with the log-probabilities that they end with "no new digit", and that they end with their last digit."""


def read_strip(strip: UInt8[ndarray, "28 w"]) -> Readings:
    """Return the most probable sequences of digits in a strip, with their log-probabilities, the best one first."""
    session = _session()
    (log_probs,) = session.run(None, {session.get_inputs()[0].name: strip[None, None]})
    return beam_search(log_probs[0])


@cache
def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return onnxruntime.InferenceSession(bundled.STRIPS, options, providers=["CPUExecutionProvider"])


def beam_search(log_probs: Float[ndarray, "t classes"], beam: int = BEAM) -> Readings:
    """Return the most probable sequences of a network that was trained by connectionist temporal classification.

    This is the prefix beam search of A. Hannun and others, 2014, https://arxiv.org/abs/1408.2873, without a language
    model.

    Args:
        log_probs: log-probabilities for each column; the last class is "no new digit".
        beam: number of sequences that are kept.
    """
    kept: Beam = {(): (0.0, -np.inf)}
    for column in log_probs.astype(np.float64):
        grown: Beam = {}

        def add(sequence: tuple[int, ...], ended: float, in_digit: float, grown: Beam = grown) -> None:
            before = grown.get(sequence, (-np.inf, -np.inf))
            grown[sequence] = float(np.logaddexp(before[0], ended)), float(np.logaddexp(before[1], in_digit))

        probable = np.argsort(column[:-1])[-CLASSES_PER_COLUMN:].tolist()
        for sequence, (ended, in_digit) in kept.items():
            either = float(np.logaddexp(ended, in_digit))
            add(sequence, either + column[-1], -np.inf)
            if sequence:
                add(sequence, -np.inf, in_digit + column[sequence[-1]])
            for label in probable:
                # The same digit twice needs a column of "no new digit" in between.
                before = ended if sequence and sequence[-1] == label else either
                add((*sequence, label), -np.inf, before + column[label])
        kept = dict(sorted(grown.items(), key=lambda item: -np.logaddexp(*item[1]))[:beam])
    return [(sequence, float(np.logaddexp(*both))) for sequence, both in kept.items() if max(both) > -np.inf]
