"""Speed of Penstroke and of reference implementations: ``python -m benchmarks.speed [PART...] [--short]``.

Each part measures Penstroke and its reference alternately in one run, and is saved in ``benchmarks/results/``:

- ``exercise``: the textbook's exercise as the chapter does it, and recipe ``book``, the same mathematics;
- ``epoch``: one epoch of it, without the tests;
- ``official``: PyTorch's official example until its first epoch at 99.0 %, and recipe ``fast``;
- ``record``: the setting of the published one-epoch record, and recipe ``fast``;
- ``inference``: images per second, and the test pass of the chapter and of Penstroke;
- ``start``: start-up time of the command line;
- ``growth``: seconds and memory as the training set grows from 60,000 to 6,000,000 images.

``python -m benchmarks.gpu`` measures on a GPU. Run nothing else at the same time: two programs on the same cores slow
each other down.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import cyclopts
import torch

from benchmarks import references
from benchmarks.cold import measure_growth, measure_start
from benchmarks.conditions import interleaved, matmul_gflops, ratio, save_result, seconds, summary
from penstroke import fit, load, recipes, runtime
from penstroke.data import Dataset
from penstroke.inference.backends.torch import TorchBackend

BOOK_FLOP = 3 * 2 * (26 * 26 * 9 * 16 + 24 * 24 * 144 * 32 + 4608 * 64 + 64 * 10)
"""Floating-point operations to train the textbook's network on one image: forward, and twice that backward."""
FAST_FLOP = 3 * 2 * (8 * 8 * 49 * 16 + 6 * 6 * 144 * 24 + 864 * 96 + 96 * 10)
"""The same for the network of recipe ``fast``."""


def reference(name: str, seed: int) -> dict[str, Any]:
    """Run a reference in a new process with default settings; return its seconds and accuracies."""
    return _from_process([sys.executable, "-m", "benchmarks.references", name, str(seed)])


def penstroke(*arguments: str) -> dict[str, Any]:
    """Train with the command line and return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "penstroke", "train", *arguments, "--data", "mnist", "--json"]
        return _from_process([*command, "--out", f"{folder}/run"])


def _from_process(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    print(f"  {' '.join(command[2:5])}: {result['seconds']:.3f} s", flush=True)
    return result


def exercise(data: Dataset, short: bool) -> dict[str, Any]:
    """Measure the exercise as the chapter does it, and recipe ``book``: two epochs, a test after each."""
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


def epoch(data: Dataset, short: bool) -> dict[str, Any]:  # noqa: ARG001 - the processes load it
    """Measure one epoch of training as the chapter does it, and one of recipe ``book``."""
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
    """Measure the official example until its first epoch at 99.0 %, and recipe ``fast``."""
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
    """Measure the record's setting and recipe ``fast``, with the test accuracy of each training run."""
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
    """Measure images per second at several batch sizes, and the test pass of the chapter and of Penstroke."""
    torch.manual_seed(0)
    chapter_network = references.textbook_net()
    few = Dataset.from_arrays(data.train.images[:1000], data.train.labels[:1000], classes=data.train.classes)
    backends = {
        name: TorchBackend(
            fit(recipes.get(name).replace(epochs=1, test_each_epoch=False), few, progress=False).model, "cpu"
        )
        for name in ("book", "fast")
    }
    batches = references.loader(data.test, 500, 0.1302, 0.3069, shuffle=False)
    actions: dict[str, Callable[[], Any]] = {
        "chapter": partial(references.test_pass, chapter_network, batches),
        "book": partial(backends["book"].log_probs, data.test.images),
    }
    for action in actions.values():
        action()  # excludes what is done only once
    times = interleaved(actions, 2 if short else 7)
    rates = {}
    for name, backend in backends.items():
        for batch in (1, 32, 500):
            images = data.test.images[: batch * max(1, min(200, len(data.test) // batch))]
            action = partial(backend.log_probs, images, batch)
            action()
            rates[f"{name} {batch}"] = len(images) / statistics.median(
                seconds(action) for _ in range(2 if short else 7)
            )
    return {
        "chapter_seconds": summary(times["chapter"]),
        "book_seconds": summary(times["book"]),
        "times_faster": ratio(times["chapter"], times["book"]),
        "images_per_second": rates,
    }


PARTS = {
    "exercise": exercise,
    "epoch": epoch,
    "official": official,
    "record": record,
    "inference": inference,
    "start": measure_start,
    "growth": measure_growth,
}


def main(*parts: str, short: bool = False, data: str = "mnist") -> None:
    """Measure the speed of Penstroke and of the references.

    Parameters
    ----------
    parts
        Parts to measure. By default all.
    short
        One round of each part and a small growth: minutes instead of half an hour. Figures are not saved.
    data
        Name of the dataset, in the parts that run in this process.
    """
    if unknown := set(parts) - PARTS.keys():
        raise SystemExit(f"Unknown parts: {', '.join(sorted(unknown))}. Known: {', '.join(PARTS)}.")
    runtime.configure()
    dataset = load(data)
    assert len(dataset.test), "loads the test images before the measurements"
    for name in parts or tuple(PARTS):
        print(f"{name}:", flush=True)
        figures = PARTS[name](dataset, short)
        for key, value in figures.items():
            if not isinstance(value, list):
                shown = f"{value['median']:.3f}" if isinstance(value, dict) and "median" in value else value
                print(f"  {key}: {shown}", flush=True)
        if not short:
            print(f"Saved {save_result(name, figures)}", flush=True)


if __name__ == "__main__":
    cyclopts.run(main)
