"""Small, tight, clean pictures of digits: ``python -m benchmarks.small_pictures MODEL``.

Each picture shows one digit, 12 to 64 pixels high, with at most 2 pixels of paper around it, as a program that cuts
digits out of a form makes them. Each kind fixes one property, and the others are drawn at random. Every picture is
prepared by ``penstroke.pictures`` and, for comparison, by cropping to the ink, fitting into 20 x 20 and centring by
mass, which is told the polarity.

The digits are those of MNIST's training images that recipe ``robust`` holds out to calibrate its models. These
pictures were used to choose the preparation: they are development data, as are the postal digits. Writes
``benchmarks/results/small-pictures.json``.
"""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

from benchmarks.conditions import save_result
from benchmarks.ready import postal_digits
from benchmarks.simple_preparation import crop_fit_centre
from penstroke import Classifier, load, runtime
from penstroke.data import Split, stratified_split
from penstroke.inference import Prediction
from penstroke.pictures.basics import bounding_box
from penstroke.pictures.files import MIN_SIDE

KINDS = ("grey", "binary", "blurred", "dark", "alpha", "square", "slanted")
MIN_HEIGHT, MAX_HEIGHT = 12, 64
MAX_MARGIN = 2
Picture = UInt8[ndarray, "h w *c"]
Figures = dict[str, Any]


@cache
def held_out_digits() -> Split:
    """Return the training images that calibrate models of recipe ``robust`` and train none of them."""
    _, held_out = stratified_split(load("auto").train, 0.1, 0)
    return held_out


def small_picture(seed: int, kind: str) -> tuple[Image.Image, UInt8[ndarray, "h w"], str]:
    """Return a picture, its ink in white on black, and its label.

    Args:
        seed: seed of the random generator, combined with the kind.
        kind: one of ``KINDS``.
    """
    rng = np.random.default_rng([seed, KINDS.index(kind), 3])
    digits = held_out_digits()
    index = int(rng.integers(len(digits)))
    level = np.pad(_drawn(rng, kind, digits.images[index, 0]), int(rng.integers(0, MAX_MARGIN + 1)))
    # Pictures need at least 5 pixels on each side, which a small 1 does not have.
    missing = max(0, MIN_SIDE - level.shape[1])
    level = np.pad(level, ((0, 0), (missing // 2, missing - missing // 2)))
    ink = np.clip(255 * level, 0, 255).round().astype(np.uint8)
    return _picture(rng, kind, ink), ink, digits.classes[digits.labels[index]]


def _drawn(rng: Generator, kind: str, image: UInt8[ndarray, "28 28"]) -> Float[ndarray, "h w"]:
    """Return the ink of a digit, 0..1, cropped to it, at a random height."""
    level = image.astype(np.float32) / 255
    if kind == "slanted":
        shear = rng.uniform(-0.35, 0.35)
        level = ndimage.affine_transform(np.pad(level, 6), [[1, 0], [shear, 1]], [0, -shear * 20], order=1)
    level = _cropped(level)
    height = int(rng.integers(MIN_HEIGHT, MAX_HEIGHT + 1))
    width = height if kind == "square" else max(2, round(height * level.shape[1] / level.shape[0]))
    resampling = Image.Resampling.BICUBIC if height > level.shape[0] else Image.Resampling.BOX
    level = np.asarray(Image.fromarray(level).resize((width, height), resampling))
    if kind == "blurred":
        return _cropped(ndimage.gaussian_filter(np.pad(level, 8), rng.uniform(0.015, 0.045) * height))
    if kind == "binary" or (kind != "grey" and rng.random() < 0.5):
        return _cropped((level > 0.4).astype(np.float32))
    return level


def _cropped(level: Float[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    return level[bounding_box(level > 0.2)]


def _picture(rng: Generator, kind: str, ink: UInt8[ndarray, "h w"]) -> Image.Image:
    """Return the ink as a file would have it, opened: bright on dark, dark on bright, or in the alpha channel."""
    if kind == "alpha":
        colour = np.broadcast_to(rng.integers(0, 90, 3, np.uint8), (*ink.shape, 3))
        picture = Image.fromarray(np.concatenate([colour, ink[..., None]], 2), "RGBA")
    else:
        dark = kind == "dark" or (kind not in ("grey", "binary") and rng.random() < 0.5)
        picture = Image.fromarray(255 - ink if dark else ink)
    file = BytesIO()
    picture.save(file, "PNG")
    return Image.open(file)


def compare(
    classifier: Classifier, pictures: list[Any], inks: list[UInt8[ndarray, "h w"]], labels: list[str]
) -> Figures:
    """Return how many pictures are answered correctly after the preparation, and after cropping, fitting, centring."""
    prepared = classifier.predict(pictures)
    plain = classifier.predict(np.stack([crop_fit_centre(ink)[None] for ink in inks]))
    return {"n": len(labels), "prepared": _figures(prepared, labels), "crop, fit, centre": _figures(plain, labels)}


def _figures(predictions: list[Prediction], labels: list[str]) -> Figures:
    right = sum(prediction.label == label for prediction, label in zip(predictions, labels, strict=True))
    return {
        "right": right,
        "rejected": sum(prediction.abstained for prediction in predictions),
        "empty": sum(not prediction.probabilities for prediction in predictions),
    }


def main(model: str = "ready", /, *, n: int = 1000, save: bool = True) -> None:
    """Compare the preparation with cropping, fitting and centring on small pictures.

    Parameters
    ----------
    model
        A run folder, a model file, or ``ready``. Its recipe must hold out the digits that are drawn.
    n
        Number of pictures of each kind. All 7,291 postal digits are used if ``PENSTROKE_POSTAL`` names their file.
    save
        Whether to write the result file.
    """
    runtime.configure()
    classifier = Classifier.load(Path(model) if model != "ready" else model)
    rows: Figures = {}
    for kind in KINDS:
        pictures, inks, labels = map(list, zip(*(small_picture(seed, kind) for seed in range(n)), strict=True))
        rows[kind] = compare(classifier, pictures, inks, labels)
        print(f"{kind}: {rows[kind]}", flush=True)
    if postal := list(postal_digits()):
        inks, labels = map(list, zip(*postal, strict=True))
        rows["postal digits"] = compare(classifier, inks, inks, labels)
        print(f"postal digits: {rows['postal digits']}", flush=True)
    if save:
        print(f"Saved {save_result('small-pictures', {'model': model, 'rows': rows})}")


if __name__ == "__main__":
    cyclopts.run(main)
