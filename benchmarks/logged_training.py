"""Train and log the images of each step: ``python -m benchmarks.logged_training FOLDER train ...``.

The recipe must have no augmentation, as the images are recognised by their pixels. Each process appends a line to its
file in FOLDER for each step: its rank, the number of processes, epoch, step, and the positions of its images in the
train split. ``benchmarks.elastic`` reads them.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from penstroke.cli import main
from penstroke.training.batches import Batch, Batches


def logged(folder: Path) -> None:
    """Let all processes write the images of their steps to files in ``folder``."""
    epoch_of = Batches.epoch

    def epoch(self: Batches, epoch: int, first: int = 0) -> Iterator[Batch]:
        positions = {image.tobytes(): number for number, image in enumerate(self.split.take(slice(None)).numpy())}
        assert len(positions) == len(self.split), "the images differ from each other"
        with open(folder / f"{os.getpid()}.jsonl", "a", buffering=1) as file:
            for step, (images, labels) in enumerate(epoch_of(self, epoch, first), first):
                found = [positions[image.tobytes()] for image in images.numpy()]
                world = self.world
                row = {"processes": world.size, "rank": world.rank, "epoch": epoch, "step": step, "images": found}
                file.write(json.dumps(row) + "\n")
                yield images, labels

    Batches.epoch = epoch  # type: ignore[method-assign]


if __name__ == "__main__":
    logs = Path(sys.argv.pop(1))
    logs.mkdir(exist_ok=True)
    logged(logs)
    main()
