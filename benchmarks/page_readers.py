"""Read digits, lines and forms, and compare with Tesseract: ``python -m benchmarks.page_readers MODEL MODEL ...``.

The pictures are generated from MNIST's test digits (``trial_pictures``, ``forms``). A picture is correct if all of its
lines are. With ``--tune``, held-out training digits take their place, and no figures are saved. Tesseract is limited
to digits and is told whether a picture shows one character, one line or several; without its program, it is skipped.
All models read the same pictures. Writes ``benchmarks/results/page-readers.json``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cyclopts
from jaxtyping import UInt8
from numpy import ndarray

from benchmarks.conditions import save_result
from benchmarks.forms import KINDS, form
from benchmarks.peers import tesseract
from benchmarks.small_pictures import held_out_digits
from benchmarks.trial_pictures import KINDS as PAPERS
from benchmarks.trial_pictures import trial, unseen_digits
from penstroke import Classifier, runtime

FIRST_SEED = 70_000
SETS = ("single digits", "lines of 5", "lines of 5, one pair touching", *KINDS)

Picture = UInt8[ndarray, "h w 3"]


def pictures(name: str, n: int, tune: bool) -> list[tuple[Picture, list[str]]]:
    """Return ``n`` pictures of one of ``SETS`` with the text of each of their lines."""
    part = "validation" if tune else "test"
    seeds = range(FIRST_SEED, FIRST_SEED + n)
    if name in KINDS:
        if not tune:
            return [form(seed, name, unseen_digits()) for seed in seeds]
        held_out = held_out_digits()
        return [form(seed, name, (held_out.images[:, 0], held_out.labels)) for seed in seeds]
    if name == "single digits":
        found = [trial(seed, PAPERS[seed % len(PAPERS)], part=part) for seed in seeds]
    else:
        found = [trial(seed, "mixed", 5, "touching" in name, part=part) for seed in seeds]
    return [(picture, [text]) for picture, text in found]


def mode(name: str) -> str:
    """Return what Tesseract is told about the pictures of one of ``SETS``."""
    if name == "single digits":
        return tesseract.SINGLE
    return tesseract.BLOCK if name in ("sums", "columns") else tesseract.LINE


def count(read: Callable[[Picture], Sequence[str]], shown: list[tuple[Picture, list[str]]]) -> dict[str, Any]:
    """Return how many pictures and how many lines are read correctly."""
    found = [(list(read(picture)), lines) for picture, lines in shown]
    right_lines = sum(min(lines.count(text), truth.count(text)) for lines, truth in found for text in set(truth))
    return {
        "right": sum(lines == truth for lines, truth in found),
        "n": len(found),
        "lines": {"right": right_lines, "n": sum(len(truth) for _, truth in found)},
    }


def reader(classifier: Classifier, name: str) -> Callable[[Picture], Sequence[str]]:
    """Return a function that reads the lines of a picture of one of ``SETS``."""
    if name == "single digits":
        return lambda picture: [classifier.predict(picture).label or ""]
    return lambda picture: classifier.read(picture).lines


def main(*models: str, n: int = 200, tune: bool = False, only: str | None = None) -> None:
    """Count the pictures that are read correctly.

    Parameters
    ----------
    models
        Run folders, model files, or ``ready``, which is the default.
    n
        Number of pictures of each set.
    tune
        Use held-out training digits, for development.
    only
        One of the sets, for a short trial whose figures are not saved.
    """
    runtime.configure()
    classifiers = [Classifier.load(Path(model) if model != "ready" else model) for model in models or ("ready",)]
    version = tesseract.version()
    if version is None:
        print("Tesseract is not installed and is skipped")
    rows = {}
    for name in (only,) if only else SETS:
        shown = pictures(name, n, tune)
        rows[name] = {"penstroke": [count(reader(classifier, name), shown) for classifier in classifiers]}
        if version:
            rows[name]["tesseract"] = [count(partial(tesseract.read, mode=mode(name)), shown)]
        print(
            name, {key: [(row["right"], row["n"], row["lines"]) for row in found] for key, found in rows[name].items()}
        )
    if not tune and not only:
        print(f"Saved {save_result('page-readers', {'models': len(classifiers), 'tesseract': version, 'rows': rows})}")


if __name__ == "__main__":
    cyclopts.run(main)
