"""Exports of trained models: ``python -m benchmarks.export RUN...``, for example of recipes book, fast and robust.

Exports each run, and a model of coloured shapes of 32x32 pixels that is trained here, in every format. The parity gate
compares the files with the models on test images. Then onnxruntime and PyTorch, each on one thread, classify the same
images alternately. The figures are written to ``benchmarks/results/export.json``.
"""

import tempfile
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
import onnxruntime
from jaxtyping import UInt8
from numpy import ndarray

from benchmarks.conditions import save_result, summary
from penstroke import Classifier, PatchNet, fit, load, recipes, runtime
from penstroke.data import Dataset
from penstroke.errors import PenstrokeError
from penstroke.export import Target, export_model
from penstroke.export.speed import milliseconds_of
from penstroke.inference.backends.onnx import OnnxBackend

SHAPES = ("disc", "square", "cross", "ring")
SIDE = 32
TARGETS = (
    Target("onnx"),
    Target("onnx", "float16"),
    Target("onnx", "int8"),
    Target("torch"),
    Target("npz"),
    Target("web"),
    Target("web", single_file=True),
    Target("onnx", with_preparation=True),
)


def shape_pictures(count: int, seed: int) -> tuple[UInt8[ndarray, "n 3 32 32"], list[str]]:
    """Return pictures of noisy shapes on noisy ground, of random colours, size and position, and their names."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images, names = [], []
    for index in range(count):
        name = SHAPES[index % len(SHAPES)]
        radius = rng.uniform(4, 10)
        y, x = np.abs(rows - rng.uniform(radius, SIDE - radius)), np.abs(columns - rng.uniform(radius, SIDE - radius))
        inside = {
            "disc": np.hypot(x, y) < radius,
            "square": np.maximum(x, y) < 0.9 * radius,
            "cross": (np.minimum(x, y) < 0.3 * radius) & (np.maximum(x, y) < radius),
            "ring": (np.hypot(x, y) < radius) & (np.hypot(x, y) > 0.55 * radius),
        }[name]
        ground, ink = rng.integers(0, 256, (2, 3, 1, 1))
        images.append(np.where(inside, ink, ground) + rng.normal(0, 20, (3, SIDE, SIDE)))
        names.append(name)
    return np.array(images).clip(0, 255).astype(np.uint8), names


def colour_model() -> tuple[Classifier, Dataset]:
    """Train a model of coloured shapes."""
    data = Dataset.from_arrays(
        *shape_pictures(6000, 0), test=shape_pictures(2000, 1), classes=SHAPES, name="shapes", preprocessing="letterbox"
    )
    network = PatchNet(channels=(24, 32), kernel_sizes=(5, 3), strides=(2, 2))
    recipe = recipes.fast(network=network, epochs=6, test_each_epoch=False, validation=0.1)
    return fit(recipe, data, device="cpu", progress=False).classifier(), data


def exports(classifier: Classifier, data: Dataset, folder: Path) -> dict[str, Any]:
    """Export a model in every format that applies to it, and return what the gate measured, by file name."""
    found = {}
    for target in TARGETS:
        try:
            exported = export_model(classifier, target, folder / target.file_name, data)
        except PenstrokeError as error:
            found[target.file_name] = {"error": error.to_json()}
        else:
            found[target.file_name] = exported.to_json() | {"path": target.file_name}
        print(f"  {target.file_name}: {found[target.file_name]}", flush=True)
    return found


def speed(classifier: Classifier, content: bytes, data: Dataset, repeats: int) -> dict[str, Any]:
    """Return milliseconds of PyTorch and onnxruntime, each on one thread, and their ratio, by batch size."""
    backends = {"torch": classifier.backend, "onnx": OnnxBackend(content, classifier.description, threads=1)}
    rounds = [milliseconds_of(backends, data.test.images) for _ in range(repeats)]
    return {
        size: {name: summary([times[size][name] for times in rounds]) for name in backends}
        | {"times_faster": summary([times[size]["torch"] / times[size]["onnx"] for times in rounds])}
        for size in rounds[0]
    }


def main(*runs: Path, short: bool = False) -> None:
    """Export the models of runs, and a model of colour images, and measure the files.

    Args:
        runs: run folders, whose names are those in the results.
        short: measure the speed once; the figures are not saved.
    """
    runtime.configure(1)
    models = {}
    for name, classifier, data in [*map(opened, runs), ("colour", *colour_model())]:
        print(f"{name}: {classifier!r}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            files = exports(classifier, data, Path(folder))
            content = Path(folder, "model.onnx").read_bytes()
        times = speed(classifier, content, data, 1 if short else 7)
        models[name] = {"data": data.card.name, "files": files, "milliseconds": times}
        print(f"  {times}", flush=True)
    if not short:
        print(save_result("export", {"onnxruntime": onnxruntime.__version__, "models": models}))


def opened(run: Path) -> tuple[str, Classifier, Dataset]:
    """Return name, classifier and dataset of a run."""
    classifier = Classifier.load(run)
    return run.name, classifier, load(classifier.description.trained["data"]["source"])


if __name__ == "__main__":
    cyclopts.run(main)
