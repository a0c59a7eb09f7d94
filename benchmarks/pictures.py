"""Accuracy on pictures of handwriting: ``python -m benchmarks.pictures MODEL``.

Evaluates a trained model on picture files and arrays, including decoding and preparation, and writes the figures to
``benchmarks/results/pictures.json``. The digits are MNIST's test set and digits of other origin, and are not used to
choose anything. With ``--tune``, the last training images take the place of the test set and no figures are saved.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from benchmarks import outlier_pictures
from benchmarks.conditions import RESULTS, save_result, seconds, summary
from benchmarks.simple_preparation import otsu_crop_fit_centre, resize_only
from benchmarks.trial_pictures import KINDS, trial
from penstroke import Classifier, load, runtime
from penstroke.evaluation.calibration import calibration_error
from penstroke.inference import Prediction
from penstroke.pictures import open_picture

FIRST_SEED = 50_000
SIMPLE = {"resized": resize_only, "otsu": otsu_crop_fit_centre}
"""Simple preparations that are compared with the one of ``penstroke.pictures``."""
BINS = 15

Picture = UInt8[ndarray, "h w *c"]
Figures = dict[str, Any]


class NotMeasurable(Exception):
    """Raised by a row that needs something that is not available."""


@dataclass(frozen=True)
class Trial:
    """The classifier to measure, the number of pictures in each row, and the part of the digits."""

    classifier: Classifier
    n: int
    part: str

    def predictions(self, pictures: Iterator[tuple[Picture, str]]) -> Figures:
        """Return how many pictures of one symbol were predicted correctly, and how many were rejected."""
        found = [(self.classifier.predict(picture), label) for picture, label in pictures]
        right = sum(prediction.label == label for prediction, label in found)
        rejected = sum(prediction.abstained for prediction, _ in found)
        return share(right, len(found)) | {"rejected": rejected}


def share(right: int, n: int) -> Figures:
    """Return a fraction with its numerator and denominator."""
    return {"right": right, "n": n, "share": right / max(n, 1)}


def single_digits(trial_: Trial) -> Figures:
    """Generated single digits by kind of paper, compared with pictures that are merely resized."""
    each = -(-trial_.n // len(KINDS))
    kinds = {}
    for kind in KINDS:
        seeds = range(FIRST_SEED, FIRST_SEED + each)
        pictures = [trial(seed, kind, part=trial_.part) for seed in seeds]
        kinds[kind] = trial_.predictions(iter(pictures))
        for name, simple in SIMPLE.items():
            likeliest = trial_.classifier.log_probs(np.stack([simple(p)[None] for p, _ in pictures])).argmax(1)
            labels = [trial_.classifier.description.classes[index] for index in likeliest]
            right = sum(label == truth for label, (_, truth) in zip(labels, pictures, strict=True))
            kinds[kind][name] = share(right, each)
        simply = ", ".join(f"{name} {kinds[kind][name]['right']}" for name in SIMPLE)
        print(f"  {kind}: {kinds[kind]['right']} of {each}, {simply}", flush=True)
    count = each * len(KINDS)
    total = share(sum(kind["right"] for kind in kinds.values()), count) | {"kinds": kinds}
    return total | {name: share(sum(kind[name]["right"] for kind in kinds.values()), count) for name in SIMPLE}


def scikit_digits(trial_: Trial) -> Figures:
    """scikit-learn's 1,797 digits of 8 x 8 pixels, enlarged 20 times."""
    from sklearn.datasets import load_digits

    digits = load_digits()

    def pictures() -> Iterator[tuple[Picture, str]]:
        for image, label in zip(digits.images[: trial_.n], digits.target, strict=False):
            small = Image.fromarray((image * 255 / 16).astype(np.uint8))
            yield np.asarray(small.resize((160, 160), Image.Resampling.BICUBIC)), str(label)

    return trial_.predictions(pictures())


def drawn_in_browser(trial_: Trial) -> Figures:
    """Digits drawn with a mouse on a canvas."""
    from benchmarks.browser_digits import browser_digits, browser_path

    if browser_path() is None:
        raise NotMeasurable("Chromium is not installed")
    return trial_.predictions((picture, str(digit)) for picture, digit in browser_digits(min(trial_.n, 500)))


def photographs(trial_: Trial) -> Figures:
    """Photographs of pen on paper in the folder ``PENSTROKE_PHOTOS``; file names start with the digit."""
    files = sorted(Path(os.environ.get("PENSTROKE_PHOTOS", "nowhere")).glob("*"))
    if not files:
        raise NotMeasurable("PENSTROKE_PHOTOS does not name a folder with photographs")
    return trial_.predictions((open_picture(file), file.name[0]) for file in files)


def lines(trial_: Trial, touching: int) -> Figures:
    """Lines of 5 digits; a line counts when all its digits are read correctly."""
    right = 0
    for seed in range(FIRST_SEED, FIRST_SEED + trial_.n):
        picture, text = trial(seed, "mixed", 5, touching, trial_.part)
        right += trial_.classifier.read(picture).lines == [text]
    return share(right, trial_.n)


def rejected_outliers(trial_: Trial) -> Figures:
    """Pictures that show no digit, and how many were rejected; an empty page counts as rejected."""
    each = -(-trial_.n // len(outlier_pictures.KINDS))
    kinds = {}
    for kind in outlier_pictures.KINDS:
        pictures = (outlier_pictures.outlier_picture(seed, kind) for seed in range(each))
        kinds[kind] = share(sum(trial_.classifier.predict(picture).abstained for picture in pictures), each)
        print(f"  {kind}: {kinds[kind]['right']} of {each} rejected", flush=True)
    return share(sum(kind["right"] for kind in kinds.values()), each * len(kinds)) | {"kinds": kinds}


def rejected_digits(trial_: Trial) -> Figures:
    """MNIST's test images without preparation: how many are rejected, and the accuracy on the others."""
    test = load("auto").test
    predictions = trial_.classifier.predict(test.images)
    answered = [(p, int(label)) for p, label in zip(predictions, test.labels, strict=True) if not p.abstained]
    right = sum(prediction.label == test.classes[label] for prediction, label in answered)
    rejected = len(predictions) - len(answered)
    return {"rejected": share(rejected, len(predictions)), "answered": share(right, len(answered))}


def unchanged_digits(trial_: Trial) -> Figures:
    """MNIST's test images with and without the preparation of pictures: how many are predicted correctly."""
    test = load("auto").test
    labels = [test.classes[label] for label in test.labels]

    def right(predictions: list[Prediction]) -> int:
        pairs = zip(predictions, labels, strict=True)
        return sum(prediction.most_probable == label for prediction, label in pairs)

    as_they_are = right(trial_.classifier.predict(test.images))
    prepared = right([trial_.classifier.predict(image[0]) for image in test.images])
    return {"as they are": share(as_they_are, len(labels)), "prepared": share(prepared, len(labels))}


def calibration(trial_: Trial) -> Figures:
    """Expected calibration error on the test set, in bins of equal mass."""
    test = load("auto").test
    error = calibration_error(np.exp(trial_.classifier.log_probs(test.images)), test.labels, BINS)
    return {"error": error, "bins": BINS, "n": len(test)}


def seconds_per_photo(trial_: Trial) -> Figures:
    """Seconds from a JPEG file to the prediction on one core, with the model loaded."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    picture = Image.fromarray(trial(FIRST_SEED, "squared")[0])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size in {"12 megapixels": (4000, 3000), "500 pixels": (500, 375)}.items():
            file = Path(folder) / f"{size[0]}.jpg"
            picture.resize(size, Image.Resampling.BICUBIC).save(file, quality=90)
            predict = partial(trial_.classifier.predict, file)
            predict()
            found[name] = summary([seconds(predict) for _ in range(max(3, trial_.n // 50))])
    torch.set_num_threads(threads)
    return found


ROWS: dict[str, Callable[[Trial], Figures]] = {
    "single digits": single_digits,
    "scikit-learn digits": scikit_digits,
    "browser digits": drawn_in_browser,
    "photographs": photographs,
    "lines": lambda trial_: lines(trial_, 0),
    "lines touching": lambda trial_: lines(trial_, 1),
    "outliers rejected": rejected_outliers,
    "digits rejected": rejected_digits,
    "digits prepared": unchanged_digits,
    "calibration": calibration,
    "seconds": seconds_per_photo,
}


def main(model: Path, /, *, n: int = 1000, only: str | None = None, tune: bool = False) -> None:
    """Measure a model on pictures of every kind.

    Parameters
    ----------
    model
        A run folder or a model file.
    n
        Number of pictures in each row. Times are measured n / 50 times.
    only
        Measure one row.
    tune
        Use the last training images in place of the test set, and save no figures.
    """
    runtime.configure()
    classifier = Classifier.load(model)
    recipe = classifier.description.trained.get("recipe", {})
    source = {"model": recipe.get("name", "unknown"), "seed": recipe.get("seed")}
    trial_ = Trial(classifier, n, "validation" if tune else "test")
    saved = RESULTS / "pictures.json"
    rows = json.loads(saved.read_text(encoding="utf-8"))["rows"] if only and saved.exists() else {}
    for name in [only] if only else ROWS:
        print(name, flush=True)
        try:
            rows[name] = source | ROWS[name](trial_)
        except NotMeasurable as error:
            print(f"  skipped: {error}", flush=True)
            continue
        print(f"  {json.dumps({k: v for k, v in rows[name].items() if k != 'kinds'})}", flush=True)
    if not tune:
        print(f"Saved {save_result('pictures', {'rows': rows})}")


if __name__ == "__main__":
    cyclopts.run(main)
