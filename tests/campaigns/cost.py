"""The cost of checkpoints: their fraction of the duration of a training run with recipe ``book``."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstroke import load, recipes, runtime
from penstroke.data import Dataset
from penstroke.training.checkpoint import Checkpointer
from penstroke.training.recorder import train_run


def cost(folder: Path, epochs: int, copies: int) -> dict[str, Any]:
    """Train with the default interval between checkpoints; return their number and their fraction of the time.

    Args:
        folder: an empty folder.
        epochs: number of epochs.
        copies: the training set is that many copies of the 4,000 images of the bundled sample; 15 give MNIST's size.
    """
    sample = load("mnist5k")
    images = np.tile(sample.train.images, (copies, 1, 1, 1))
    train = dataclasses.replace(sample.train, images=images, labels=np.tile(sample.train.labels, copies))
    data = Dataset(sample.card, train, lambda: sample.test, requested="mnist5k")
    times: list[float] = []
    save = Checkpointer.save

    def timed(self: Checkpointer) -> None:
        start = time.perf_counter()
        save(self)
        times.append(time.perf_counter() - start)

    runtime.configure()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpointer, "save", timed)
        _, fitted = train_run(recipes.book(epochs=epochs), data, device="cpu", out=folder / "run")
    seconds = fitted.history.seconds
    return {"epochs": epochs, "training seconds": seconds, "checkpoints": len(times), "share": sum(times) / seconds}
