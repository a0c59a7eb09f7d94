"""Right on a person's own handwriting: ``python -m benchmarks.pictures MODEL``.

Measures a trained model on pictures that take the whole road from the file to the answer, and keeps the figures in
``benchmarks/results/pictures.json``. The digits are of MNIST's test set and of other origin, and nothing is chosen by
them; ``--tune`` takes training digits held back instead, and keeps nothing.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from benchmarks import non_digits
from benchmarks.conditions import RESULTS, keep, seconds, summary
from benchmarks.trial_pictures import KINDS, trial
from penstroke import Classifier, load, runtime
from penstroke.evaluation.calibration import calibration_error
from penstroke.inference import Reading
from penstroke.pictures import open_picture

FIRST_SEED = 50_000
BINS = 15

Picture = UInt8[ndarray, "h w *c"]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """Measure a model on pictures of every kind."""

    model: Annotated[Path, tyro.conf.Positional]
    """A run folder or a model file."""
    n: int = 1000
    """Pictures in each row; seconds are measured n / 50 times."""
    only: str | None = None
    """Measure this row alone."""
    tune: bool = False
    """Take training digits held back, and keep no figures."""


@dataclass(frozen=True)
class Trial:
    """What each row is measured with."""

    classifier: Classifier
    n: int
    part: str

    def answers(self, pictures: Iterator[tuple[Picture, str]]) -> Figures:
        """Return how many pictures of one symbol were read right, read wrong, and refused."""
        found = [(self.classifier.read_symbol(picture), truth) for picture, truth in pictures]
        right = sum(reading.label == truth for reading, truth in found)
        refused = sum(reading.abstained for reading, _ in found)
        return share(right, len(found)) | {"refused": refused}


def share(right: int, n: int) -> Figures:
    """Return a share with what it is a share of."""
    return {"right": right, "n": n, "share": right / max(n, 1)}


def single_digits(trial_: Trial) -> Figures:
    """Generated single digits, by kind of paper, beside pictures that are merely resized."""
    each = -(-trial_.n // len(KINDS))
    kinds = {}
    for kind in KINDS:
        seeds = range(FIRST_SEED, FIRST_SEED + each)
        pictures = [trial(seed, kind, part=trial_.part) for seed in seeds]
        resized = trial_.classifier.predict(torch.from_numpy(np.stack([merely_resized(p) for p, _ in pictures])))
        by_resizing = sum(label == truth for label, (_, truth) in zip(resized.labels, pictures, strict=True))
        kinds[kind] = trial_.answers(iter(pictures)) | {"resized": share(by_resizing, each)}
        print(f"  {kind}: {kinds[kind]['right']} of {each}, resized {by_resizing}", flush=True)
    total = share(sum(kind["right"] for kind in kinds.values()), each * len(KINDS))
    by_resizing = sum(kind["resized"]["right"] for kind in kinds.values())
    return total | {"kinds": kinds, "resized": share(by_resizing, each * len(KINDS))}


def merely_resized(picture: Picture) -> UInt8[ndarray, "1 28 28"]:
    """Return what most programs make of a picture: grey, 28 x 28, and bright on dark."""
    small = np.asarray(Image.fromarray(picture).convert("L").resize((28, 28), Image.Resampling.LANCZOS))
    return (255 - small if np.median(small) > 127 else small)[None]


def scikit_digits(trial_: Trial) -> Figures:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged 20 times."""
    from sklearn.datasets import load_digits

    digits = load_digits()

    def pictures() -> Iterator[tuple[Picture, str]]:
        for image, label in zip(digits.images[: trial_.n], digits.target, strict=False):
            small = Image.fromarray((image * 255 / 16).astype(np.uint8))
            yield np.asarray(small.resize((160, 160), Image.Resampling.BICUBIC)), str(label)

    return trial_.answers(pictures())


def drawn_in_browser(trial_: Trial) -> Figures:
    """Digits drawn with a mouse on a canvas."""
    from benchmarks.browser_digits import browser_digits

    return trial_.answers((picture, str(digit)) for picture, digit in browser_digits(min(trial_.n, 500)))


def photographs(trial_: Trial) -> Figures:
    """Photographs of pen on paper, labelled by file name."""
    files = sorted(Path(os.environ.get("PENSTROKE_PHOTOS", "nowhere")).glob("*"))
    return trial_.answers((open_picture(file), file.name[0]) for file in files)


def lines(trial_: Trial, touching: int) -> Figures:
    """Lines of 5 digits: those read whole, and single digits in them that were found where they stand."""
    right = 0
    for seed in range(FIRST_SEED, FIRST_SEED + trial_.n):
        picture, truth = trial(seed, "mixed", 5, touching, trial_.part)
        right += trial_.classifier.read_page(picture).lines == [truth]
    return share(right, trial_.n)


def refused_non_digits(trial_: Trial) -> Figures:
    """Pictures that show no digit, and how many were refused: an empty page counts as refused."""
    each = -(-trial_.n // len(non_digits.KINDS))
    kinds = {}
    for kind in non_digits.KINDS:
        readings = [trial_.classifier.read_symbol(non_digits.non_digit(seed, kind)) for seed in range(each)]
        kinds[kind] = share(sum(reading.abstained for reading in readings), each)
        print(f"  {kind}: {kinds[kind]['right']} of {each} refused", flush=True)
    return share(sum(kind["right"] for kind in kinds.values()), each * len(kinds)) | {"kinds": kinds}


def refused_digits(trial_: Trial) -> Figures:
    """MNIST's test images themselves: how many are refused, and how many of the answers are right."""
    test = load("auto").test
    readings = trial_.classifier.readings(test.images.numpy())
    answered = [(r, int(t)) for r, t in zip(readings, test.labels, strict=True) if not r.abstained]
    right = sum(reading.label == test.classes[truth] for reading, truth in answered)
    refused = len(readings) - len(answered)
    return {"refused": share(refused, len(readings)), "answers": share(right, len(answered))}


def unchanged_digits(trial_: Trial) -> Figures:
    """MNIST's test images, given as they are and given through the whole preparation: how many are read right."""
    test = load("auto").test
    labels = [test.classes[truth] for truth in test.labels]

    def right(readings: list[Reading]) -> int:
        return sum(r.probabilities != () and r.ranking[0][0] == t for r, t in zip(readings, labels, strict=True))

    as_they_are = right(trial_.classifier.readings(test.images.numpy()))
    prepared = right([trial_.classifier.read_symbol(image[0].numpy()) for image in test.images])
    return {"as they are": share(as_they_are, len(labels)), "prepared": share(prepared, len(labels))}


def calibration(trial_: Trial) -> Figures:
    """The mean gap between probability and share of right answers on the test set, in bins of equal mass."""
    test = load("auto").test
    error = calibration_error(trial_.classifier.predict(test.images).probabilities, test.labels, BINS)
    return {"error": error, "bins": BINS, "n": len(test)}


def seconds_per_photo(trial_: Trial) -> Figures:
    """Seconds from a JPEG file to the answer on one core, the model loaded."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    picture = Image.fromarray(trial(FIRST_SEED, "squared")[0])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size in {"12 megapixels": (4000, 3000), "500 pixels": (500, 375)}.items():
            file = Path(folder) / f"{size[0]}.jpg"
            picture.resize(size, Image.Resampling.BICUBIC).save(file, quality=90)
            trial_.classifier.read_symbol(file)
            answer = partial(trial_.classifier.read_symbol, file)
            taken = [seconds(answer) for _ in range(max(3, trial_.n // 50))]
            found[name] = summary(taken)
    torch.set_num_threads(threads)
    return found


ROWS: dict[str, Callable[[Trial], Figures]] = {
    "single digits": single_digits,
    "scikit-learn digits": scikit_digits,
    "browser digits": drawn_in_browser,
    "photographs": photographs,
    "lines": lambda trial_: lines(trial_, 0),
    "lines touching": lambda trial_: lines(trial_, 1),
    "non-digits refused": refused_non_digits,
    "digits refused": refused_digits,
    "digits prepared": unchanged_digits,
    "calibration": calibration,
    "seconds": seconds_per_photo,
}


def main() -> None:
    """Measure the rows, print them, keep them."""
    options = tyro.cli(Options)
    runtime.prepare()
    classifier = Classifier.load(options.model)
    recipe = classifier.description.trained.get("recipe", {})
    made = {"model": recipe.get("name", "unknown"), "seed": recipe.get("seed")}
    trial_ = Trial(classifier, options.n, "held back" if options.tune else "test")
    kept = RESULTS / "pictures.json"
    rows = json.loads(kept.read_text())["rows"] if options.only and kept.exists() else {}
    for name in [options.only] if options.only else ROWS:
        print(name, flush=True)
        rows[name] = made | ROWS[name](trial_)
        print(f"  {json.dumps({k: v for k, v in rows[name].items() if k != 'kinds'})}", flush=True)
    if not options.tune:
        print(f"kept in {keep('pictures', {'rows': rows})}")


if __name__ == "__main__":
    main()
