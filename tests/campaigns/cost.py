"""What checkpoints cost a training of recipe `book`: the seconds in them, against those of the training."""

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from penstroke import load, recipes
from penstroke.training.checkpoint import Checkpointer, Pace
from penstroke.training.recorder import train_run


def cost(epochs: int) -> dict[str, Any]:
    """Train with the default pace, and return how much of the time went into checkpoints."""
    taken: list[float] = []
    save = Checkpointer.save

    def timed(self: Checkpointer) -> None:
        begun = time.perf_counter()
        save(self)
        taken.append(time.perf_counter() - begun)

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpointer, "save", timed)
        _, fitted = train_run(recipes.book(epochs=epochs), load("auto"), "cpu", Path(folder) / "a", pace=Pace())
    seconds = fitted.history.seconds
    return {"epochs": epochs, "training seconds": seconds, "checkpoints": len(taken), "share": sum(taken) / seconds}
