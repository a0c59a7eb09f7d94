"""The images of the exercise for the programs of this package, normalised as in the chapter."""

import time
from pathlib import Path

import numpy as np

BATCH, TEST_BATCH = 32, 500
RATE, DECAY, EPS = 0.5, 0.9, 1e-6
"""Learning rate of Adadelta, and PyTorch's values of its other options, which differ in other libraries."""

Arrays = tuple[np.ndarray, np.ndarray]


def read(path: Path) -> tuple[Arrays, Arrays]:
    """Return the images ``float32 [n, 28, 28]`` and labels ``int64 [n]`` for training and for the test.

    Args:
        path: a file with the arrays ``train_images``, ``train_labels``, ``test_images`` and ``test_labels``.
    """
    with np.load(path) as stored:
        train, test = ((stored[f"{part}_images"], stored[f"{part}_labels"]) for part in ("train", "test"))
    return (_normalised(train[0]), train[1]), (_normalised(test[0]), test[1])


def _normalised(images: np.ndarray) -> np.ndarray:
    return ((images.astype(np.float32) / 255 - 0.1302) / 0.3069).astype(np.float32)


def result(started: float, trained: float, correct: float, total: int, **versions: str) -> dict[str, object]:
    """Return the figures of a program: the seconds until now, those of the training, and the accuracy in 0..1."""
    seconds = time.perf_counter() - started
    accuracy = correct / total
    return {"seconds": seconds, "train_seconds": trained - started, "accuracy": accuracy, "versions": versions}
