"""Accuracy on folders of pictures: ``python -m benchmarks.own_pictures CASE... [--things FOLDER] [--seeds 3]``.

Each case trains with the command line, as a user does, and tests on pictures that no training has seen:

- ``photographs``, ``photographs-2m``, ``photographs-100``: small colour photographs of ten classes, from a folder with
  ``train/`` and ``test/`` (``--things``): all of them, in two minutes, and with 100 for each class;
- ``peers``: the beginner's networks of Keras and PyTorch on the same photographs, for as long as Penstroke trained;
- ``shapes``: 180 drawn shapes of three classes in pictures of mixed sizes, tested on 600 others;
- ``digits``: the 1,797 digits of scikit-learn, 8x8 pixels, in five folds;
- ``mnist``: MNIST as a folder of PNG files, and MNIST itself.

The figures are written to ``benchmarks/results/own-pictures.json``. Run nothing else at the same time.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from PIL import Image

from benchmarks.conditions import RESULTS, load_result, save_result
from benchmarks.shapes import draw_shapes
from penstroke.runtime import environment

NAME = "own-pictures"
Row = dict[str, Any]


def trained(folder: Path, seed: int, *options: str, test: Path | None = None) -> Row:
    """Train on a folder in a new process, test, and return the seconds of the training command and the accuracy."""
    with tempfile.TemporaryDirectory() as home:
        run = Path(home, "run")
        started = time.perf_counter()
        _penstroke("train", *options, "--data", str(folder), "--seed", str(seed), "--out", str(run), "--json")
        seconds = time.perf_counter() - started
        data = ("--data", str(test)) if test else ()
        found = json.loads(_penstroke("test", str(run), *data, "--json"))
        recipe = json.loads((run / "recipe.json").read_text())
    chosen = {"epochs": recipe["epochs"], "network": recipe["network"]}
    row = {"seed": seed, "seconds": seconds, "correct": found["correct"], "total": found["total"], **chosen}
    print(f"  seed {seed}: {100 * found['correct'] / found['total']:.2f} %, {seconds:.1f} s", flush=True)
    return row


def _penstroke(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "penstroke", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"penstroke {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def photographs(things: Path, seeds: int) -> list[Row]:
    """All photographs, with the default recipe and options."""
    return [trained(things, seed) for seed in range(seeds)]


def photographs_2m(things: Path, seeds: int) -> list[Row]:
    """All photographs, in two minutes."""
    return [trained(things, seed, "--budget", "2m") for seed in range(seeds)]


def photographs_100(things: Path, seeds: int) -> list[Row]:
    """100 photographs of each class; others for each seed."""
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as home:
            for folder in sorted((things / "train").iterdir()):
                files = sorted(folder.iterdir())
                target = Path(home, "train", folder.name)
                target.mkdir(parents=True)
                for number in np.random.RandomState(seed).permutation(len(files))[:100]:
                    shutil.copy(files[number], target)
            Path(home, "test").symlink_to((things / "test").resolve())
            rows.append(trained(Path(home), seed))
    return rows


def shapes(seeds: int) -> list[Row]:
    """180 drawn shapes of three classes."""
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as home:
            draw_shapes(Path(home, "train"), 60, seed)
            draw_shapes(Path(home, "test"), 200, 1000 + seed)
            rows.append(trained(Path(home), seed))
    return rows


def digits(seeds: int) -> list[Row]:
    """The digits of scikit-learn in five folds: each picture is tested once for each seed."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import StratifiedKFold

    source = load_digits()
    images = np.round(source.images * 255 / 16).astype(np.uint8)
    rows = []
    for seed in range(seeds):
        folds = []
        for parts in StratifiedKFold(5, shuffle=True, random_state=seed).split(images, source.target):
            with tempfile.TemporaryDirectory() as home:
                for name, indices in zip(("train", "test"), parts, strict=True):
                    write_pictures(Path(home, name), images, source.target, indices)
                folds.append(trained(Path(home), seed))
        total = {name: sum(fold[name] for fold in folds) for name in ("correct", "total", "seconds")}
        rows.append({**folds[0], **total})
    return rows


def write_pictures(folder: Path, images: np.ndarray, labels: np.ndarray, indices: Any) -> None:
    """Write images as PNG files, in a folder for each class."""
    for index in indices:
        target = folder / str(labels[index])
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[index]).save(target / f"{index:05}.png")


def mnist(seeds: int) -> Row:
    """MNIST as a folder of PNG files, with recipe fast, and MNIST itself; and the time of the second start."""
    from penstroke import load

    data = load("mnist")
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home, "pictures")
        for split, name in ((data.train, "train"), (data.test, "test")):
            write_pictures(folder / name, split.images[:, 0], split.labels, range(len(split)))
        starts = [_load_seconds(folder) for _ in range(4)]
        print(f"  reads the folder in {starts} s", flush=True)
        as_folder = [trained(folder, seed, "fast") for seed in range(seeds)]
        itself = [_mnist_itself(seed) for seed in range(seeds)]
    return {"starts": starts, "folder": as_folder, "mnist": itself}


def _mnist_itself(seed: int) -> Row:
    return trained(Path("mnist"), seed, "fast")


def _load_seconds(folder: Path) -> float:
    """Return the time that a new process takes to read the training pictures of a folder."""
    code = "import sys, time; from penstroke import load; t = time.perf_counter(); load(sys.argv[1]);"
    code += "print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code, folder], capture_output=True, check=True).stdout)


def peers(things: Path, seeds: int, python: str) -> Row:
    """The beginner's networks of Keras and PyTorch, for as long as Penstroke trained in two minutes in the same run."""
    rows: dict[str, list[Row]] = {"penstroke": [], "keras": [], "pytorch": []}
    for seed in range(seeds):
        own = trained(things, seed, "--budget", "2m")
        rows["penstroke"].append(own)
        for name in ("keras", "pytorch"):
            command = [python, "-m", f"benchmarks.peers.{name}_beginner", str(things), str(own["seconds"]), str(seed)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            rows[name].append(json.loads(done.stdout.splitlines()[-1]) | {"seed": seed})
            print(f"  {name}: {rows[name][-1]}", flush=True)
    return rows


def accuracies(rows: list[Row]) -> list[float]:
    """Return the accuracy of each row in percent."""
    return [100 * row["correct"] / row["total"] for row in rows]


def _cases(things: Path | None, seeds: int, python: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    if things is not None:
        yield "photographs", lambda: photographs(things, seeds)
        yield "photographs-2m", lambda: photographs_2m(things, seeds)
        yield "photographs-100", lambda: photographs_100(things, seeds)
        yield "peers", lambda: peers(things, 1, python)
    yield "shapes", lambda: shapes(seeds)
    yield "digits", lambda: digits(seeds)
    yield "mnist", lambda: mnist(seeds)


def main(
    *cases: str, things: Path | None = None, seeds: int = 3, peer_python: str = sys.executable, out: str = NAME
) -> None:
    """Measure cases, by default all.

    Args:
        cases: names of cases.
        things: folder of photographs with train/ and test/.
        seeds: number of seeds of each case.
        peer_python: Python interpreter with Keras, JAX, PyTorch and Pillow.
        out: name of the results.
    """
    known = dict(_cases(things, seeds, peer_python))
    if unknown := [case for case in cases if case not in known]:
        raise SystemExit(f"Unknown cases: {', '.join(unknown)}. Known are {', '.join(known)}.")
    for case in cases or known:
        print(case, flush=True)
        found = known[case]()
        figures = load_result(out) if (RESULTS / f"{out}.json").exists() else {}
        figures.pop("conditions", None)
        save_result(out, figures | {case: {"conditions": environment("cpu"), "result": found}})
        if isinstance(found, list):
            values = accuracies(found)
            print(f"  mean {statistics.fmean(values):.2f} %, seconds {[round(row['seconds']) for row in found]}")


if __name__ == "__main__":
    cyclopts.run(main)
