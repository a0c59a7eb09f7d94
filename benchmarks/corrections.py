"""Corrections of an unusual handwriting: the accuracy on it with and without ``--data mnist+FOLDER``.

``python -m benchmarks.corrections`` writes ``benchmarks/results/corrections.json``. The handwritings are scanned postal
digits (``PENSTROKE_POSTAL`` names ``zip.train.gz`` of the book "The Elements of Statistical Learning"), mirrored or
leaning far to the left. Some of them, the same number of each digit, are the corrections; others are the test set. A
tenth of MNIST's training images is not trained on, and shows what the corrections cost. MNIST's test set is not used.
"""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from benchmarks.conditions import save_result
from benchmarks.ready import postal_digits
from penstroke import Classifier, Recipe, fit, load, recipes, runtime
from penstroke.data import Split, stratified_split
from penstroke.data.corrections import SHARE, Corrections, read_corrections

Digit = UInt8[ndarray, "h w"]
SHARES = (0.0, 0.02, SHARE, 0.1, 0.2)
"""Fractions of the training images to which corrections are repeated; with 0, each is used once."""
COUNTS = (10, 50, 200)
TEST = 2000
ENLARGED = 4
LEAN = 0.9
"""Columns by which the top of a digit is moved to the left, per row of its height."""


def mirrored(digit: Digit) -> Digit:
    """Return a digit as in mirror writing."""
    return np.ascontiguousarray(enlarged(digit)[:, ::-1])


def leaning(digit: Digit) -> Digit:
    """Return a digit that leans to the left by 42 degrees."""
    image = Image.fromarray(enlarged(digit))
    width, height = image.size
    wide = round(width + LEAN * height)
    sheared = image.transform(
        (wide, height), Image.Transform.AFFINE, (1, -LEAN, 0, 0, 1, 0), Image.Resampling.BICUBIC, fillcolor=0
    )
    return np.asarray(sheared)


def enlarged(digit: Digit) -> Digit:
    """Return a digit with more pixels and black paper around it."""
    height, width = digit.shape
    large = Image.fromarray(digit).resize((width * ENLARGED, height * ENLARGED), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(large), 2 * ENLARGED)


HANDWRITINGS: dict[str, Callable[[Digit], Digit]] = {"mirrored": mirrored, "leaning to the left": leaning}


def stored(folder: Path, digits: list[tuple[Digit, str]]) -> Path:
    """Write digits as the server does: one folder of PNG files per class."""
    for number, (digit, label) in enumerate(digits):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(digit).save(folder / label / f"{number}.png")
    return folder


def chosen(digits: list[tuple[Digit, str]], count: int, seed: int) -> list[tuple[Digit, str]]:
    """Return a number of digits, the same number of each class, drawn with a seed."""
    order = np.random.default_rng(seed).permutation(len(digits))
    rows = []
    for label in sorted({label for _, label in digits}):
        members = [index for index in order if digits[index][1] == label]
        rows += [digits[index] for index in members[: count // 10]]
    return rows


def read(digits: list[tuple[Digit, str]]) -> Corrections:
    """Return digits as corrections of MNIST."""
    with tempfile.TemporaryDirectory() as folder:
        return read_corrections(str(stored(Path(folder), digits)), tuple("0123456789"), "digit", (1, 28, 28))


def accuracy(model: Classifier, split: Split) -> float:
    """Return the fraction of the images whose most probable class is right."""
    return float((model.log_probs(split.images).argmax(1) == split.labels).mean())


def measure(recipe: Recipe, init: str | None, name: str, cases: list[tuple[int, float]]) -> list[dict[str, Any]]:
    """Train with each number and share of corrections of a handwriting, and return the accuracies.

    Args:
        recipe: the recipe; its seed also chooses the corrections.
        init: model that the trainings start from.
        name: name of the handwriting.
        cases: number of corrections, and the fraction of the training images to which they are repeated.
    """
    data = load("mnist")
    train, held_out = stratified_split(data.train, 0.1, seed=0)
    digits = [(HANDWRITINGS[name](digit), label) for digit, label in postal_digits()]
    others = read(digits[:TEST]).split
    rows = []
    for count, share in cases:
        corrected = data.with_train(train, "")
        if count:
            corrected.corrections = replace(read(chosen(digits[TEST:], count, recipe.seed)), share=share)
        model = fit(recipe, corrected, init=init, device="cpu", progress=False).classifier()
        row = {"handwriting": name, "seed": recipe.seed, "corrections": count, "share": share}
        row["repeats"] = corrected.corrections.repeats(len(train)) if corrected.corrections else 0
        row |= {"own": accuracy(model, others), "mnist": accuracy(model, held_out)}
        print(row, flush=True)
        rows.append(row)
    return rows


def main(
    *, recipe: str = "fast", epochs: int | None = None, init: str | None = None, seeds: int = 3, save: bool = True
) -> None:
    """Train with corrections of each handwriting, in different numbers and shares.

    Parameters
    ----------
    recipe
        Recipe of the trainings.
    epochs
        Number of epochs; that of the recipe by default.
    init
        Model that the trainings start from.
    seeds
        Number of trainings of each kind, each with other corrections.
    save
        Whether to write the result file.
    """
    runtime.configure()
    cases = [(0, 0.0), *((count, SHARE) for count in COUNTS), *((50, share) for share in SHARES if share != SHARE)]
    flat = {"epochs": epochs} if epochs else {}
    rows = [
        row
        for name in HANDWRITINGS
        for seed in range(seeds)
        for row in measure(recipes.get(recipe).replace(seed=seed, **flat), init, name, cases)
    ]
    figures = {"recipe": recipe, "epochs": epochs, "init": init, "test_images": TEST, "rows": rows}
    if save:
        print(f"Saved {save_result('corrections', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
