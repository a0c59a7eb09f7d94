"""Few digits of another source: training from the bundled model against training from scratch.

``python -m benchmarks.transfer`` writes ``benchmarks/results/transfer.json``. The digits are scikit-learn's and, if
``PENSTROKE_POSTAL`` names ``zip.train.gz`` of the book "The Elements of Statistical Learning", scanned postal digits.
All are prepared as pictures are for prediction. For each seed, other digits are drawn for training; the digits that are
left when the largest training set has been drawn are the test set of all sizes.
"""

import statistics
from collections.abc import Callable
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray
from scipy.stats import t

from benchmarks.conditions import save_result
from benchmarks.ready import Pictures, postal_digits, scikit_digits
from penstroke import Classifier, Dataset, fit, recipes, runtime
from penstroke.errors import EmptyPicture
from penstroke.pictures import preprocess

SIZES = (10, 30, 100)
"""Training images per class."""
BATCH = 32
STEPS = 200
"""Steps of each training, so that all sizes are trained equally long."""
SCRATCH = {"lr": 0.02, "head_lr": 0.005}
"""The learning rates of recipe ``robust``."""
TRANSFER = {"lr": 0.002, "head_lr": 0.0005}
"""A tenth of them: with the weights of another model, small steps suffice. Chosen on scikit-learn's digits."""
SOURCES: dict[str, Callable[[], Pictures]] = {
    "scikit-learn's digits of 8x8 pixels": scikit_digits,
    "scanned postal digits of 16x16 pixels": postal_digits,
}


def prepared(pictures: Pictures) -> tuple[UInt8[ndarray, "n 1 28 28"], Int64[ndarray, " n"], int]:
    """Return prepared images and labels, and the number of pictures in which no symbol is found."""
    images, labels, empty = [], [], 0
    for picture, label in pictures:
        try:
            images.append(preprocess(picture, "digit", (1, 28, 28)))
        except EmptyPicture:
            empty += 1
        else:
            labels.append(int(label))
    return np.stack(images) if images else np.empty((0, 1, 28, 28), np.uint8), np.array(labels, np.int64), empty


def drawn(
    labels: Int64[ndarray, " n"], sizes: tuple[int, ...], seed: int
) -> tuple[dict[int, Int64[ndarray, " m"]], Int64[ndarray, " k"]]:
    """Return the positions of the training images for each number of images per class, and of the test images."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(np.flatnonzero(labels == digit)) for digit in range(10)]
    train = {size: np.concatenate([order[:size] for order in orders]) for size in sizes}
    return train, np.concatenate([order[max(sizes) :] for order in orders])


def epochs(images: int, steps: int) -> int:
    """Return the number of epochs with about ``steps`` steps."""
    return max(1, round(steps / -(-images // BATCH)))


def summary(accuracies: list[float]) -> dict[str, Any]:
    """Return mean, standard deviation and 95 % interval of the mean (Student's t) over the seeds."""
    n, mean = len(accuracies), statistics.mean(accuracies)
    sd = statistics.stdev(accuracies) if n > 1 else None
    half = float(t.ppf(0.975, n - 1)) * sd / n**0.5 if sd is not None else None
    return {"n": n, "mean": mean, "sd": sd, "half_width": half, "accuracies": accuracies}


def measure(
    images: UInt8[ndarray, "n 1 28 28"], labels: Int64[ndarray, " n"], sizes: tuple[int, ...], seeds: int, steps: int
) -> dict[str, Any]:
    """Return the accuracies of the bundled model and of both trainings for each size."""
    ready = Classifier.load("ready", backend="torch")
    as_it_is: list[float] = []
    found: dict[int, dict[str, list[float]]] = {size: {"scratch": [], "ready": []} for size in sizes}
    test = np.empty(0, np.int64)
    for seed in range(seeds):
        train, test = drawn(labels, sizes, seed)

        def accuracy(model: Classifier, test: Int64[ndarray, " k"] = test) -> float:
            return float((model.log_probs(images[test]).argmax(1) == labels[test]).mean())

        as_it_is.append(accuracy(ready))
        for size, chosen in train.items():
            data = Dataset.from_arrays(images[chosen], labels[chosen], name="digits")
            recipe = recipes.robust(
                seed=seed, batch_size=BATCH, epochs=epochs(len(chosen), steps), validation=0.0, outliers=0.0
            )
            scratch = fit(recipe.replace(**SCRATCH), data, device="cpu")
            transfer = fit(recipe.replace(**TRANSFER), data, init=ready, device="cpu")
            found[size]["scratch"].append(accuracy(scratch.classifier()))
            found[size]["ready"].append(accuracy(transfer.classifier()))
            print(f"  seed {seed}, {size} per class: {found[size]['scratch'][-1]:.4f} from scratch, "
                  f"{found[size]['ready'][-1]:.4f} from ready", flush=True)  # fmt: skip
    rows = [
        {"per_class": size}
        | {start: summary(values) for start, values in starts.items()}
        | {"gain": summary([b - a for a, b in zip(starts["scratch"], starts["ready"], strict=True)])}
        for size, starts in found.items()
    ]
    return {"test_images": len(test), "ready_as_it_is": summary(as_it_is), "rows": rows}


def main(*, seeds: int = 5, steps: int = STEPS, sizes: tuple[int, ...] = SIZES, save: bool = True) -> None:
    """Train with few digits of other sources.

    Parameters
    ----------
    seeds
        Number of trainings of each kind.
    steps
        Number of steps of each training.
    sizes
        Training images per class.
    save
        Whether to write the result file.
    """
    runtime.configure()
    sources = {}
    for name, source in SOURCES.items():
        images, labels, empty = prepared(source())
        if len(images):
            print(f"{name}: {len(images)} pictures, {empty} without a symbol", flush=True)
            sources[name] = {"pictures": len(images), "without_symbol": empty} | measure(
                images, labels, sizes, seeds, steps
            )
    figures = {"recipe": recipes.robust().to_json(), "steps": steps, "batch_size": BATCH}
    figures |= {"scratch": SCRATCH, "ready": TRANSFER, "seeds": seeds, "sources": sources}
    if save:
        print(f"Saved {save_result('transfer', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
