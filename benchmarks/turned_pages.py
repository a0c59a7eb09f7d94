"""Whether ``read`` turns pages that are not upright: ``python -m benchmarks.turned_pages MODEL``.

Reads generated pages of test digits upright and turned by 90, 180 and 270 degrees. A turned page is as good as the
upright one if at least as many of its lines are correct. Writes ``benchmarks/results/turned-pages.json``.
"""

from pathlib import Path

import cyclopts
import numpy as np

from benchmarks.conditions import save_result
from benchmarks.trial_pictures import trial_page
from penstroke import Classifier, runtime

FIRST_SEED = 50_000
MAX_LINES, MAX_DIGITS = 5, 6


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
    rows = {turn: {"as good": 0, "rejected": 0, "worse": 0, "n": n} for turn in (90, 180, 270)}
    right = total = 0
    for seed in range(FIRST_SEED, FIRST_SEED + n):
        rng = np.random.default_rng(seed)
        digits = rng.integers(2, MAX_DIGITS + 1, rng.integers(2, MAX_LINES + 1))
        picture, truth = trial_page(seed, "mixed", tuple(digits.tolist()))
        upright = _correct(classifier.read(picture).lines, truth)
        right, total = right + upright, total + len(truth)
        for turn, row in rows.items():
            lines = classifier.read(np.ascontiguousarray(np.rot90(picture, turn // 90))).lines
            row["as good" if _correct(lines, truth) >= upright else "worse" if lines else "rejected"] += 1
    print(f"upright: {right} of {total} lines")
    for turn, row in rows.items():
        print(f"{turn} degrees: {row}")
    figures = {"model": model, "upright": {"lines": total, "right": right}, "turned": rows}
    print(f"Saved {save_result('turned-pages', figures)}")


def _correct(lines: list[str], truth: list[str]) -> int:
    """Return how many lines are read correctly, in any order."""
    return sum(text in lines for text in truth)


if __name__ == "__main__":
    cyclopts.run(main)
