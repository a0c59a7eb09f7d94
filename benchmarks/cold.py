"""Measurements in new processes: start-up time of the command line, and time and memory as the training set grows."""

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.conditions import interleaved, summary
from penstroke.data import Dataset

GROWTH = """
import json, resource, sys, time
import torch
from penstroke import fit, load, recipes, runtime
runtime.configure()
data = load(sys.argv[1])
start = time.perf_counter()
fitted = fit(recipes.fast(), data, device="cpu", progress=False)
seconds = time.perf_counter() - start
print(json.dumps({
    "images": len(data.train),
    "seconds": seconds,
    "epoch_seconds": fitted.history.epochs[0].seconds,
    "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
"""


def measure_start(data: Dataset, short: bool) -> dict[str, Any]:
    """Measure the start-up time of commands, alternating with the import of torch alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(data.test.images[0, 0]).save(folder / "seven.png")
        command = [sys.executable, "-m", "penstroke"]

        def call(arguments: list[str]) -> None:
            subprocess.run(arguments, cwd=folder, check=True, capture_output=True)

        call([*command, "train", "fast", "--data", "mnist5k"])
        actions = {
            "python": [sys.executable, "-c", "pass"],
            "import torch": [sys.executable, "-c", "import torch"],
            "--help": [*command, "--help"],
            "train --help": [*command, "train", "--help"],
            "predict": [*command, "predict", "seven.png"],
            "test": [*command, "test", "--data", "mnist5k"],
        }
        times = interleaved({name: partial(call, arguments) for name, arguments in actions.items()}, 2 if short else 9)
    beyond = [a - b for a, b in zip(times["predict"], times["import torch"], strict=True)]
    return {name: summary(values) for name, values in times.items()} | {"predict beyond torch": summary(beyond)}


def measure_growth(data: Dataset, short: bool) -> dict[str, Any]:
    """Train ``fast`` for one epoch on sets of increasing size, made of shifted copies of the training images."""
    sizes = [60_000, 120_000] if short else [60_000, 600_000, 6_000_000]
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for size in sizes:
            folder = Path(name) / str(size)
            _write_shifted_copies(folder, data, size)
            runs = []
            for _ in range(1 if short or size > 1_000_000 else 3):
                done = subprocess.run(
                    [sys.executable, "-c", GROWTH, str(folder)], check=True, capture_output=True, text=True
                )
                runs.append(json.loads(done.stdout))
                print(f"  {runs[-1]}", flush=True)
            for file in folder.iterdir():
                file.unlink()
            rows.append(
                {
                    "images": size,
                    "seconds_per_million": summary([run["epoch_seconds"] / size * 1e6 for run in runs]),
                    "peak_mb": summary([run["peak_bytes"] / 1e6 for run in runs]),
                }
            )
    first, last = rows[0], rows[-1]
    return {
        "sizes": rows,
        "time_per_image_ratio": last["seconds_per_million"]["median"] / first["seconds_per_million"]["median"],
        "memory_growth_mb": last["peak_mb"]["median"] - first["peak_mb"]["median"],
    }


def _write_shifted_copies(folder: Path, data: Dataset, size: int) -> None:
    """Write uncompressed IDX files of ``size`` training images: copies of MNIST's, each shifted differently."""
    folder.mkdir()
    images, labels = data.train.images[:, 0], data.train.labels.astype(np.uint8)
    for name, content, rank in (("images-idx3", images, 3), ("labels-idx1", labels, 1)):
        with open(folder / f"train-{name}-ubyte", "wb") as file:
            file.write(bytes([0, 0, 8, rank]) + size.to_bytes(4, "big"))
            if rank == 3:
                file.write((28).to_bytes(4, "big") * 2)
            for copy in range(-(-size // len(labels))):
                shifted = np.roll(content, (copy % 3 - 1, copy // 3 % 3 - 1), (1, 2)) if rank == 3 else content
                file.write(shifted[: size - copy * len(labels)].tobytes())
    for name, part in (("images-idx3", data.test.images[:1000, 0]), ("labels-idx1", data.test.labels[:1000])):
        array = part.astype(np.uint8)
        header = bytes([0, 0, 8, array.ndim]) + b"".join(side.to_bytes(4, "big") for side in array.shape)
        (folder / f"t10k-{name}-ubyte").write_bytes(header + array.tobytes())
