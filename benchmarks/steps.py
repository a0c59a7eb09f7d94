"""The milliseconds of the parts of a training step: ``torchrun ... -m benchmarks.steps RECIPE BATCH_SIZE OUT.json``.

The parts are those of a step of MNIST: the batch, which has augmentation; the gradients of the images of this process;
the message that adds them; and the optimizers. For each part, the process of rank 0 writes the median of the wall
time, and of the time of all threads of the process on a core. The wall time of the message has the wait for the others.
"""

import itertools
import json
import statistics
import sys
import time
from pathlib import Path

import torch

from penstroke import load, recipes
from penstroke.runtime import configure
from penstroke.training.adapt import adapt
from penstroke.training.distributed import joined
from penstroke.training.launch import launch
from penstroke.training.start import build_start, split_validation

PARTS = ("batch", "gradients", "message", "optimizers")
STEPS, FIRST = 60, 10
"""Number of steps, and of those before the first one that counts."""


def main() -> None:
    """Measure, and write the result in the process of rank 0."""
    configure(threads=1)
    data, recipe = load("mnist"), recipes.get(sys.argv[1]).replace(batch_size=int(sys.argv[2]))
    train, _ = split_validation(data, recipe.validation)
    marks: list[list[tuple[float, float]]] = []
    with joined(launch(), torch.device("cpu")) as world:
        state, batches, loss_of = build_start(adapt(recipe, train)[0], data, train, torch.device("cpu"), world=world)
        network = state.network.train()
        steps = itertools.islice(batches.endless(), STEPS)

        def mark() -> None:
            marks[-1].append((1e3 * time.perf_counter(), 1e3 * time.process_time()))

        while len(marks) < STEPS:
            marks.append([])
            mark()
            images, labels = next(steps)
            mark()
            network.zero_grad()
            loss = world.backward(network, images, labels, loss_of)
            mark()
            world.sum(network, loss)
            mark()
            for optimizer in state.optimizers:
                optimizer.step()
            mark()
        if world.rank:
            return
    found: dict[str, dict[str, float]] = {"wall": {}, "core": {}}
    for clock, times in enumerate(found.values()):
        for number, part in enumerate(PARTS):
            times[part] = statistics.median(row[number + 1][clock] - row[number][clock] for row in marks[FIRST:])
        times["step"] = statistics.median(row[-1][clock] - row[0][clock] for row in marks[FIRST:])
    Path(sys.argv[3]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
