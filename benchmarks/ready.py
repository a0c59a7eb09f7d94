"""Make the bundled model and measure it: ``python -m benchmarks.ready RUN`` (see ``make ready``).

The weights of the run, with batch normalisation as a part of the convolutions, are rounded to 8 significant bits, so
that float16 files and the web page hold exactly the same values. The rounded model is calibrated again on the
validation split of its training. MNIST's test set, digits of other origin and pictures without a digit are measured
once, and choose nothing.
"""

import gzip
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from torch import nn

from benchmarks import outlier_pictures
from benchmarks.conditions import save_result
from penstroke import Classifier, evaluate, load
from penstroke.data import Split, stratified_split
from penstroke.evaluation import calibrate
from penstroke.evaluation.calibration import calibration_error
from penstroke.export.graph import onnx_graph
from penstroke.export.precision import is_weight, round_model, round_weights, store_as_float16
from penstroke.models import bundled, module_from, read_model, write_model
from penstroke.models.committee import TEMPERATURE
from penstroke.models.onnx_files import seal
from penstroke.networks import NetworkSpec, PatchNet
from penstroke.runs import Run
from penstroke.storage import write_bytes

COMMAND = "penstroke train robust --data mnist --seed 0 --threads 1"
OUTLIERS = 200
"""Number of pictures without a digit of each kind."""
Pictures = Iterable[tuple[UInt8[ndarray, "h w"], str]]


def build(run: Path) -> None:
    """Write the files of the bundled model from a run of recipe ``robust``."""
    description, weights = read_model(Run(run).model_path)
    recipe, data = Run(run).recipe(), load("mnist")
    weights = rounded(description.network, {name: array for name, array in weights.items() if name != TEMPERATURE})
    network = module_from(description, weights)
    assert recipe.validation
    _, validation = stratified_split(data.train, recipe.validation.share, recipe.validation.seed)
    log_probs = Classifier.from_module(network, description).log_probs(validation.images)
    temperature, calibration = calibrate(log_probs, validation.labels, recipe.validation.rejection_rate)
    network = network.with_temperature(temperature)
    description = replace(
        description, calibration=calibration, trained=description.trained | {"command": COMMAND, "seed": recipe.seed}
    )
    score = evaluate(Classifier.from_module(network, description), data.test).score
    description = replace(description, test=score.to_json())
    weights[TEMPERATURE] = np.array(temperature, np.float32)
    stored = {name: _stored(array) for name, array in weights.items()}
    write_model(bundled.WEIGHTS, stored, description)
    graph = store_as_float16(onnx_graph(network, description))
    write_bytes(bundled.ONNX, seal(graph.SerializeToString(deterministic=True), description))


def rounded(network: NetworkSpec, weights: Mapping[str, ndarray]) -> dict[str, ndarray]:
    """Return weights that have 8 significant bits when batch normalisation is a part of the convolutions before it.

    The ONNX exporter joins the two. The model file keeps them apart, because training needs the statistics.
    """
    result = round_model(weights)
    if isinstance(network, PatchNet) and network.norm:
        for number in range(1, len(network.channels) + 1):
            layer = {key.split(".")[1]: array for key, array in weights.items() if key.startswith(f"norm{number}.")}
            scale = layer["weight"] / np.sqrt(layer["running_var"] + nn.BatchNorm2d(1).eps)
            scale = scale[:, None, None, None]
            result[f"cn{number}.weight"] = round_weights(weights[f"cn{number}.weight"] * scale) / scale
    return result


def _stored(array: ndarray) -> ndarray:
    """Return weights as float16 if that changes no value."""
    half = array.astype(np.float16) if is_weight(array) else array
    return half if np.array_equal(half.astype(array.dtype), array) else array


def measure() -> dict[str, Any]:
    """Return the figures of the bundled model on digits and on pictures without a digit."""
    classifier, test = Classifier.load(bundled.NAME), load("mnist").test
    report = evaluate(classifier, test)
    answered = report.log_probs.max(1) >= np.log(classifier.threshold)
    wrong = np.flatnonzero(answered & (report.log_probs.argmax(1) != test.labels))
    rows = {"MNIST's test set, raw images": _row(report.score.total, report.score.correct, answered, wrong)}
    digits = {
        "MNIST's test set, as pictures": _test_pictures(test),
        "scikit-learn's digits of 8x8 pixels, enlarged": scikit_digits(),
        "scanned postal digits of 16x16 pixels, tightly cropped": postal_digits(),
        "photographs of pen on paper": _photographs(),
    }
    for name, pictures in digits.items():
        if figures := _predictions(classifier, pictures):
            rows[name] = figures
            print(f"{name}: {figures}", flush=True)
    return {
        "files": {path.name: _file(path) for path in (bundled.WEIGHTS, bundled.ONNX)},
        "test": classifier.description.test,
        "calibration": classifier.description.to_json()["calibration"],
        "calibration_error": calibration_error(np.exp(report.log_probs), test.labels),
        "mistakes": [
            {"index": i, "prediction": int(report.log_probs[i].argmax()), "truth": int(test.labels[i])}
            for i in wrong.tolist()
        ],
        "digits": rows,
        "outliers": _outliers(classifier),
    }


def _test_pictures(test: Split) -> Pictures:
    return ((image[0], test.classes[label]) for image, label in zip(test.images, test.labels, strict=True))


def _row(total: int, correct: int, answered: ndarray, wrong: ndarray) -> dict[str, int]:
    return {"n": total, "most probable correct": correct, "abstained": int((~answered).sum()), "wrong": len(wrong)}


def _predictions(classifier: Classifier, pictures: Pictures) -> dict[str, int]:
    """Return the number of right, wrong and missing answers; empty if there are no pictures."""
    found = list(pictures)
    predictions = classifier.predict([picture for picture, _ in found])
    pairs = [(prediction, label) for prediction, (_, label) in zip(predictions, found, strict=True)]
    correct = sum(prediction.most_probable == label for prediction, label in pairs)
    answered = np.array([not prediction.abstained for prediction, _ in pairs], bool)
    wrong = np.array([p.most_probable != label and not p.abstained for p, label in pairs], bool)
    return _row(len(found), correct, answered, np.flatnonzero(wrong)) if found else {}


def scikit_digits() -> Pictures:
    """Yield the 1,797 digits of 8 x 8 pixels of scikit-learn, enlarged 20 times."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for image, label in zip(digits.images, digits.target, strict=True):
        small = Image.fromarray((image * 255 / 16).astype(np.uint8))
        yield np.asarray(small.resize((160, 160), Image.Resampling.BICUBIC)), str(label)


def postal_digits() -> Pictures:
    """Yield the digits of ``zip.train.gz``, a file of the book "The Elements of Statistical Learning"."""
    path = Path(os.environ.get("PENSTROKE_POSTAL", "nowhere"))
    if path.is_file():
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            label, *values = map(float, line.split())
            yield ((np.array(values).reshape(16, 16) + 1) * 127.5).round().astype(np.uint8), str(int(label))


def _photographs() -> Pictures:
    from penstroke.pictures import open_picture

    for path in sorted(Path(os.environ.get("PENSTROKE_PHOTOS", "nowhere")).glob("*")):
        yield open_picture(path), path.name[0]


def _outliers(classifier: Classifier) -> dict[str, dict[str, int]]:
    found = {}
    for kind in outlier_pictures.KINDS:
        pictures = [outlier_pictures.outlier_picture(seed, kind) for seed in range(OUTLIERS)]
        found[kind] = {"n": OUTLIERS, "rejected": sum(p.abstained for p in classifier.predict(pictures))}
        print(f"{kind}: {found[kind]}", flush=True)
    return found


def _file(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def main(run: Path | None = None, /) -> None:
    """Make the bundled model from a run, and measure it; without a run, measure it only."""
    if run:
        build(run)
    print(f"Saved {save_result('ready', measure())}")


if __name__ == "__main__":
    cyclopts.run(main)
