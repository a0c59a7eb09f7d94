"""Whether ``read`` turns pages that are not upright: ``python -m benchmarks.turned_pages MODEL``.

Reads generated pages of test digits upright and turned by 90, 180 and 270 degrees. A turned page is as good as the
upright one if at least as many of its lines are correct. Writes ``benchmarks/results/turned-pages.json``.
"""

from pathlib import Path

import cyclopts
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from benchmarks.conditions import save_result
from benchmarks.trial_pictures import trial_page
from penstroke import Classifier, runtime

FIRST_SEED = 50_000
MAX_LINES, MAX_DIGITS = 5, 6
TURNS, OUTCOMES = (90, 180, 270), ("as good", "rejected", "worse")


def main(model: str = "ready", /, *, n: int = 34) -> None:
    """Count the turned pages that are read as well as the upright ones.

    Parameters
    ----------
    model
        A run folder, a model file, or ``ready``.
    n
        Number of pages, of which each is turned three times.
    """
    runtime.configure()
    classifier = Classifier.load(Path(model) if model != "ready" else model)
    rows = {turn: dict.fromkeys(OUTCOMES, 0) | {"n": n} for turn in TURNS}
    for seed in range(FIRST_SEED, FIRST_SEED + n):
        for turn, outcome in zip(TURNS, outcomes(classifier, *page(seed)), strict=True):
            rows[turn][outcome] += 1
    for turn, row in rows.items():
        print(f"{turn} degrees: {row}")
    print(f"Saved {save_result('turned-pages', {'model': model, 'turned': rows})}")


def page(seed: int) -> tuple[UInt8[ndarray, "h w 3"], list[str]]:
    """Return a page of 2 to 5 lines of 2 to 6 test digits, and its lines."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(2, MAX_DIGITS + 1, rng.integers(2, MAX_LINES + 1))
    return trial_page(seed, "mixed", tuple(digits.tolist()))


def outcomes(classifier: Classifier, picture: UInt8[ndarray, "h w 3"], truth: list[str]) -> list[str]:
    """Return one of ``OUTCOMES`` for each of ``TURNS`` of a page."""
    upright = _correct(classifier.read(picture).lines, truth)
    found = [classifier.read(np.ascontiguousarray(np.rot90(picture, turn // 90))).lines for turn in TURNS]
    good = [_correct(lines, truth) >= upright for lines in found]
    return ["as good" if ok else "worse" if lines else "rejected" for ok, lines in zip(good, found, strict=True)]


def _correct(lines: list[str], truth: list[str]) -> int:
    """Return how many lines are read correctly, in any order."""
    return sum(text in lines for text in truth)


if __name__ == "__main__":
    cyclopts.run(main)
