"""The rate at which picture files are classified: ``python -m benchmarks.many_pictures``.

Classifies 1,000 digits of 28x28 pixels, 1,000 drawings of 280x280 and 200 photographs of up to 1,000 pixels, of MNIST's
test digits, with the bundled model. Each measurement is a new process with two cores at most. ``--before FOLDER``
measures earlier sources of Penstroke alternately. The figures are written to ``benchmarks/results/many-pictures.json``.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from PIL import Image

from benchmarks.conditions import ratio, save_result, summary
from benchmarks.trial_pictures import KINDS, draw_digit, trial, unseen_digits
from penstroke.models import bundled

SRC = Path(__file__).parent.parent / "src"
CORES = 2
SIDE, MIN_PHOTOGRAPH, MAX_PHOTOGRAPH = 280, 600, 1000
"""Side of a drawing; shortest and longest side of a photograph, in pixels."""
PROGRAM = """
import json, os, resource, sys, time
from pathlib import Path
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[3])])
from penstroke import Classifier
from penstroke.inference.worker import Preparation, Worker

paths = sorted(Path(sys.argv[2]).iterdir())
classifier = Classifier.load(sys.argv[1])
network = []

def log_probs(*arguments, compute=Classifier.log_probs):
    start = time.perf_counter()
    found = compute(*arguments)
    network.append(time.perf_counter() - start)
    return found

Classifier.log_probs = log_probs
start = time.perf_counter()
predictions = classifier.predict(paths)
seconds = time.perf_counter() - start
usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
description = classifier.description
worker = Worker(Preparation(description.preprocessing, description.image_shape, 10**8))
start = time.perf_counter()
worker.prepare(paths[0])
started = time.perf_counter() - start
worker.stop()
right = sum(found.label == path.stem[-1] for path, found in zip(paths, predictions, strict=True))
print(json.dumps({
    "seconds": seconds,
    "cpu_seconds": sum(each.ru_utime + each.ru_stime for each in usage),
    "start_seconds": started,
    "network_seconds": sum(network),
    "right": right,
}))
"""


def digits(count: int) -> Iterator[tuple[Image.Image, int]]:
    """Return test images as they are, with their labels."""
    for image, label in zip(*unseen_digits(), strict=True):
        yield Image.fromarray(image), int(label)
        count -= 1
        if not count:
            return


def drawings(count: int) -> Iterator[tuple[Image.Image, int]]:
    """Return test digits redrawn in black on a white canvas, with their labels."""
    images, labels = unseen_digits()
    rng = np.random.default_rng(0)
    for index in range(count):
        ink = draw_digit(images[index], int(rng.integers(120, 220)), float(rng.uniform(0.05, 0.12)))
        canvas = np.zeros((SIDE, SIDE), np.float32)
        y, x = (int(rng.integers(0, SIDE - length)) for length in ink.shape)
        canvas[y : y + ink.shape[0], x : x + ink.shape[1]] = ink
        yield Image.fromarray(np.uint8(255 * (1 - canvas.clip(0, 1)))), int(labels[index])


def photographs(count: int) -> Iterator[tuple[Image.Image, int]]:
    """Return simulated photographs of paper of all kinds, with their labels."""
    seed = 0
    while count:
        picture, label = trial(seed, KINDS[seed % len(KINDS)])
        seed += 1
        if max(picture.shape) >= MIN_PHOTOGRAPH:
            image = Image.fromarray(picture)
            image.thumbnail((MAX_PHOTOGRAPH, MAX_PHOTOGRAPH))
            yield image, int(label)
            count -= 1


SETS = {
    "digits": (digits, 1000, ".png"),
    "drawings": (drawings, 1000, ".png"),
    "photographs": (photographs, 200, ".jpg"),
}


def measure(source: Path, model: str, folder: Path) -> dict[str, Any]:
    """Classify the files of a folder in a new process that imports Penstroke from ``source``."""
    command = [sys.executable, "-c", PROGRAM, model, str(folder), str(CORES)]
    environment = os.environ | {"PYTHONPATH": str(source)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=folder.parent)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def row(runs: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """Return the rate, and the shares of the start of the workers and of the network in the time."""
    seconds = [run["seconds"] for run in runs]
    shares = {
        name: statistics.median(run[f"{name}_seconds"] / run["seconds"] for run in runs)
        for name in ("start", "network")
    }
    return {
        "files_per_second": summary([count / each for each in seconds]),
        "cpu_milliseconds_per_file": summary([1000 * run["cpu_seconds"] / count for run in runs]),
        "shares": shares | {"preparation": 1 - sum(shares.values())},
        "right": runs[0]["right"],
    }


def main(
    *, before: Path | None = None, before_model: Path = bundled.WEIGHTS, repeats: int = 5, short: bool = False
) -> None:
    """Measure the rate of each kind of picture.

    Parameters
    ----------
    before
        Folder with the package ``penstroke`` of earlier sources, which are measured alternately.
    before_model
        Model file or run that the earlier sources can read.
    repeats
        Measurements of each.
    short
        A tenth of the pictures, measured once. Figures are not saved.
    """
    sources = {"now": (SRC, bundled.NAME)} | ({"before": (before, str(before_model))} if before else {})
    figures: dict[str, Any] = {"cores": CORES}
    with tempfile.TemporaryDirectory() as name:
        for kind, (pictures, count, suffix) in SETS.items():
            count = count // 10 if short else count
            folder = Path(name) / kind
            folder.mkdir()
            for number, (image, label) in enumerate(pictures(count)):
                image.save(folder / f"{number:04}-{label}{suffix}", quality=90)
            runs: dict[str, list[dict[str, Any]]] = {version: [] for version in sources}
            for _ in range(1 if short else repeats):
                for version, (source, model) in sources.items():
                    runs[version].append(measure(source, model, folder))
                    print(f"{kind}, {version}: {runs[version][-1]}", flush=True)
            found = {"files": count} | {version: row(each, count) for version, each in runs.items()}
            if before:
                for measured in ("seconds", "cpu_seconds"):
                    times = {version: [run[measured] for run in each] for version, each in runs.items()}
                    found[f"times_faster_{measured}"] = ratio(times["before"], times["now"])
            figures[kind] = found
    if not short:
        print(f"Saved {save_result('many-pictures', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
