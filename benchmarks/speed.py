"""Speed against the ways that people know: ``python -m benchmarks.speed [--short] [--only exercise official ...]``.

Each part pairs Penstroke with its reference in one run, taken in turn, and is kept in ``benchmarks/results/``:

- ``exercise``: the textbook's exercise as the chapter writes it, against recipe ``book``, the same mathematics;
- ``epoch``: one epoch of that, without its tests;
- ``official``: PyTorch's official example until its first epoch at 99.0 %, against recipe ``fast``;
- ``record``: the published one-epoch record's setting, against recipe ``fast``;
- ``inference``: images per second, and the chapter's test pass against ours;
- ``start``: how long the command line takes from a cold start;
- ``growth``: seconds and memory as the set grows from 60,000 to 6,000,000 images.

On a GPU, ``python -m benchmarks.gpu`` measures there. Run alone: two programs on the same cores slow each other.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import tyro

from benchmarks import references
from benchmarks.cold import measure_growth, measure_start
from benchmarks.conditions import interleaved, keep, matmul_gflops, ratio, seconds, summary
from penstroke import fit, load, recipes, runtime
from penstroke.cli.output import table
from penstroke.data import Dataset
from penstroke.models.forward import log_probabilities

BOOK_FLOP = 3 * 2 * (26 * 26 * 9 * 16 + 24 * 24 * 144 * 32 + 4608 * 64 + 64 * 10)
"""Multiplications and additions to train the textbook's network on one image: forward, and twice that backward."""
FAST_FLOP = 3 * 2 * (8 * 8 * 49 * 16 + 6 * 6 * 144 * 24 + 864 * 96 + 96 * 10)


@dataclass(frozen=True)
class Options:
    """Measure speed against the references."""

    short: bool = False
    """One round of each, and small growth: minutes instead of half an hour. Nothing is kept."""
    only: tuple[str, ...] = ()
    """Parts to measure; all when not given."""
    data: str = "mnist"


def reference(name: str, seed: int) -> dict[str, Any]:
    """Run a reference in a process of its own, untuned; return its seconds and accuracies."""
    return _from_process([sys.executable, "-m", "benchmarks.references", name, str(seed)])


def penstroke(*words: str) -> dict[str, Any]:
    """Train by the command line, as people do; return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "penstroke", "train", *words, "--data", "mnist", "--json"]
        return _from_process([*command, "--out", f"{folder}/run"])


def _from_process(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"  {' '.join(command[2:5])}: {found['seconds']:.3f} s", flush=True)
    return found


def exercise(data: Dataset, short: bool) -> dict[str, Any]:
    """Pair the whole exercise as the chapter writes it with recipe ``book``: two epochs, a test after each."""
    theirs, ours, rates = [], [], []
    for seed in range(1 if short else 5):
        rates.append(matmul_gflops())
        theirs.append(reference("textbook", seed)["seconds"])
        ours.append(penstroke("book", "--seed", str(seed)))
    our_epochs = [statistics.mean(row["seconds"] for row in run["epochs"]) for run in ours]
    gflops = BOOK_FLOP * len(data.train) / statistics.median(our_epochs) / 1e9
    return {
        "chapter_seconds": summary(theirs),
        "book_seconds": summary([run["seconds"] for run in ours]),
        "times_faster": ratio(theirs, [run["seconds"] for run in ours]),
        "book_gflops": gflops,
        "matmul_gflops": summary(rates),
        "share_of_matmul": gflops / statistics.median(rates),
    }


def epoch(data: Dataset, short: bool) -> dict[str, Any]:  # noqa: ARG001 - the processes read it themselves
    """Pair one epoch of training as the chapter writes it with one of recipe ``book``."""
    theirs, ours = [], []
    for seed in range(1 if short else 5):
        theirs.append(reference("textbook-epoch", seed)["seconds"])
        made = penstroke("book", "--seed", str(seed), "--epochs", "1", "--no-test-each-epoch")
        ours.append(made["epochs"][0]["seconds"])
    return {
        "chapter_epoch_seconds": summary(theirs),
        "book_epoch_seconds": summary(ours),
        "epoch_times_faster": ratio(theirs, ours),
    }


def official(data: Dataset, short: bool) -> dict[str, Any]:
    """Time the official example to its first epoch at 99.0 %, and recipe ``fast`` beside it."""
    del data
    name = "official-epoch" if short else "official"
    theirs = [reference(name, seed) for seed in range(1, 2 if short else 3)]
    ours = [penstroke("fast", "--seed", str(seed)) for seed in range(len(theirs))]
    return {
        "official_seconds": summary([run["seconds"] for run in theirs]),
        "official_runs": theirs,
        "fast_seconds": summary([run["seconds"] for run in ours]),
        "times_faster": ratio([run["seconds"] for run in theirs], [run["seconds"] for run in ours]),
    }


def record(data: Dataset, short: bool) -> dict[str, Any]:
    """Pair the record's setting with recipe ``fast``; score each of its trainings on the test set."""
    theirs, ours, scores, rates = [], [], [], []
    for seed in range(2 if short else 10):
        rates.append(matmul_gflops())
        theirs.append(reference("record", seed))
        ours.append(penstroke("fast", "--seed", str(seed), "--test-each-epoch"))
        scores.append(ours[-1]["epochs"][-1]["test"]["accuracy"])
    epochs = [run["epochs"][0]["seconds"] for run in ours]
    whole = [run["seconds"] - run["epochs"][0]["test_seconds"] for run in ours]
    gflops = FAST_FLOP * len(data.train) / statistics.median(epochs) / 1e9
    their_scores = [run["accuracies"][0] for run in theirs]
    return {
        "record_seconds": summary([run["seconds"] for run in theirs]),
        "record_accuracy": summary(their_scores) | {"mean": statistics.mean(their_scores)},
        "fast_seconds": summary(whole),
        "fast_epoch_seconds": summary(epochs),
        "fast_accuracy": summary(scores) | {"mean": statistics.mean(scores)},
        "times_faster": ratio([run["seconds"] for run in theirs], whole),
        "fast_gflops": gflops,
        "matmul_gflops": summary(rates),
        "share_of_matmul": gflops / statistics.median(rates),
    }


def inference(data: Dataset, short: bool) -> dict[str, Any]:
    """Measure images per second at several batch sizes, and the chapter's test pass against ours."""
    torch.manual_seed(0)
    chapters = references.textbook_net()
    ours = {name: fit(recipes.get(name), _few(data)).model for name in ("book", "fast")}
    batches = references.loader(data.test, 500, 0.1302, 0.3069, shuffle=False)
    actions: dict[str, Callable[[], Any]] = {
        "chapter": partial(references.test_pass, chapters, batches),
        "book": partial(log_probabilities, ours["book"], data.test.images),
    }
    for action in actions.values():
        action()  # what is done once is not what is measured
    taken = interleaved(actions, 2 if short else 7)
    rates = {}
    for name, model in ours.items():
        for batch in (1, 32, 500):
            images = data.test.images[: batch * max(1, min(200, len(data.test) // batch))]
            log_probabilities(model, images, batch)
            times = [seconds(partial(log_probabilities, model, images, batch)) for _ in range(2 if short else 7)]
            rates[f"{name} {batch}"] = len(images) / statistics.median(times)
    return {
        "chapter_seconds": summary(taken["chapter"]),
        "book_seconds": summary(taken["book"]),
        "times_faster": ratio(taken["chapter"], taken["book"]),
        "images_per_second": rates,
    }


def _few(data: Dataset) -> Dataset:
    return Dataset(data.card, data.train.subset(torch.arange(1000)), lambda: data.test, requested="mnist")


PARTS = {
    "exercise": exercise,
    "epoch": epoch,
    "official": official,
    "record": record,
    "inference": inference,
    "start": measure_start,
    "growth": measure_growth,
}


def main() -> None:
    """Measure the parts, print each one's medians, keep the figures."""
    options = tyro.cli(Options)
    runtime.prepare()
    data = load(options.data)
    assert len(data.test), "the test images are read before anything is measured"
    for name in options.only or tuple(PARTS):
        print(f"{name}:", flush=True)
        found = PARTS[name](data, options.short)
        rows = [
            [key, f"{value['median']:.3f}" if isinstance(value, dict) and "median" in value else str(value)]
            for key, value in found.items()
            if not isinstance(value, list)
        ]
        print(table(["figure", "median"], rows), flush=True)
        if not options.short:
            print(f"kept in {keep(name, found)}", flush=True)


if __name__ == "__main__":
    main()
