"""Networks and augmentations for recipe ``best``, compared on validation images: ``python -m benchmarks.best_search``.

``train NAME`` trains ``best`` with other values on the first 50,000 training images, and predicts the other 10,000; the
test set is not opened. ``compare`` compares all trainings, and writes ``benchmarks/results/best-search.json`` and a
figure of the images that most of them misclassify.
"""

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor
from torch.nn import functional as F

from benchmarks.conditions import save_result
from benchmarks.sprint import TRAINED_ON, validation_data
from penstroke import evaluate, fit, load, recipes, runtime
from penstroke.evaluation import calibrate
from penstroke.evaluation.calibration import apply_temperature
from penstroke.recipes import Recipe

RUNS = Path("runs/best-search")
FIGURE = Path(__file__).parent.parent / "docs/images/best-errors.png"
MOST = 0.75
"""Fraction of the networks that misclassify an image of the figure."""
app = cyclopts.App()


def rotate(images: UInt8[Tensor, "n 1 h w"], degrees: float, shift: float) -> UInt8[Tensor, "n 1 h w"]:
    """Return the images after random rotations and shifts, a different one for each image.

    Args:
        images: raw images.
        degrees: largest rotation.
        shift: largest shift, as a fraction of the side.
    """
    angle = math.radians(degrees) * (2 * torch.rand(len(images)) - 1)
    offset = 2 * shift * (2 * torch.rand(len(images), 2) - 1)
    rows = [angle.cos(), -angle.sin(), offset[:, 0]], [angle.sin(), angle.cos(), offset[:, 1]]
    matrix = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False).round().to(images.dtype)


def changed(channels: list[int] | None, kernel: int, halved: int, epochs: int, warp: float) -> Recipe:
    """Return recipe ``best`` with other values, without a validation split of its own; see ``train``."""
    recipe = replace(recipes.best().replace(epochs=epochs, warp=warp), validation=None)
    if not channels:
        return recipe
    network: dict[str, Any] = {"channels": channels, "kernel_sizes": [kernel] * len(channels), "padding": False}
    network["strides"] = [2 if number == halved else 1 for number in range(1, len(channels) + 1)]
    return recipe.replace(**network)


@app.command
def train(
    name: str,
    /,
    *,
    channels: Annotated[list[int] | None, cyclopts.Parameter(consume_multiple=True, negative="")] = None,
    kernel: int = 3,
    halved: int = 0,
    epochs: int = 40,
    warp: float = 0.65,
    rotation: float = 0.0,
    shift: float = 0.0,
) -> None:
    """Train a network, and save its predictions.

    Parameters
    ----------
    name
        Name of the training.
    channels
        Channels of convolutions without padding; by default, the network of ``best``.
    kernel
        Side of their kernels.
    halved
        Number of the convolution that has stride 2; 0 for none.
    epochs
        Number of epochs.
    warp
        Strength of ``warp``.
    rotation
        Largest additional rotation, in degrees.
    shift
        Largest additional shift, as a fraction of the side.
    """
    runtime.configure(1)
    data, recipe = validation_data(load("mnist")), changed(channels, kernel, halved, epochs, warp)
    started = time.process_time()
    transform = (lambda images: rotate(images, rotation, shift)) if rotation or shift else None
    classifier = fit(recipe, data, transform=transform).classifier()
    report = evaluate(classifier, data.test)
    setting = {"recipe": recipe.to_json(), "rotation": rotation, "shift": shift}
    setting["cpu_seconds"] = time.process_time() - started
    RUNS.mkdir(parents=True, exist_ok=True)
    np.savez(RUNS / f"{name}.npz", log_probs=report.log_probs, setting=json.dumps(setting))
    print(f"{name}: {report.score.correct} of {report.score.total} correct")


@app.command
def compare() -> None:
    """Compare the trainings that were saved."""
    if not (paths := sorted(RUNS.glob("*.npz"))):
        raise SystemExit(f"{RUNS} has no trainings; run `python -m benchmarks.best_search train NAME` first")
    split = load("mnist").train
    images, labels = split.images[TRAINED_ON:, 0], split.labels[TRAINED_ON:]
    rows, wrong, log_probs = [], [], []
    for path in paths:
        with np.load(path) as saved:
            temperature, _ = calibrate(saved["log_probs"], labels, 0.0)
            log_probs.append(apply_temperature(saved["log_probs"], temperature))
            setting = json.loads(str(saved["setting"]))
        wrong.append(log_probs[-1].argmax(1) != labels)
        loss = -float(log_probs[-1][np.arange(len(labels)), labels].mean())
        rows.append({"name": path.stem, **setting, "errors": int(wrong[-1].sum()), "loss": loss})
    counts = np.sum(wrong, 0)
    pairs = [int((a & b).sum()) for number, a in enumerate(wrong) for b in wrong[:number]]
    most = np.flatnonzero(counts >= MOST * len(wrong))
    joined = np.exp(log_probs).mean(0)
    figures = {"trainings": rows, "shared_by_pairs": pairs, "shared_by_all": int((counts == len(wrong)).sum())}
    figures |= {"in_figure": len(most), "errors_of_mean": int((joined.argmax(1) != labels).sum())}
    _draw(images[most], labels[most], joined[most])
    print(f"Saved {save_result('best-search', figures)} and {FIGURE}")


def _draw(
    images: UInt8[ndarray, "n h w"], labels: Int64[ndarray, " n"], probabilities: Float32[ndarray, "n 10"]
) -> None:
    """Write the figure: images with their labels and the mean answer of the networks."""
    from matplotlib.figure import Figure

    columns = 10
    figure = Figure(figsize=(columns, 1.3 * math.ceil(len(images) / columns)), layout="constrained")
    axes = figure.subplots(math.ceil(len(images) / columns), columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, label, row in zip(axes.flat, images, labels, probabilities, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.set_title(f"label {label}\nread as {row.argmax()}", fontsize=9)
    figure.savefig(FIGURE, dpi=80)


if __name__ == "__main__":
    app()
