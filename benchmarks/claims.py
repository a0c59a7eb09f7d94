"""The chapter's claims and invitations as experiments: ``python -m benchmarks.claims [NAME...]``.

Each experiment is a sweep over fields of the recipe ``book`` with 6 seeds. Each network is trained for two epochs on
the same 10,000 training images, a sixth of MNIST, and tested on the 10,000 test images. With all 60,000 training
images, the experiments would take six times as long. The learning rates of the optimizers are chosen on a validation
split. The runs are kept in ``build/claims``, so an interrupted program continues; the figures are written to
``benchmarks/results/claims.json``, from which ``python -m benchmarks.tables`` makes the tables of ``docs/claims.md``.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np

from benchmarks.conditions import save_result
from penstroke.runtime import environment

FOLDER = Path("build/claims")
IMAGES = 10_000
SEEDS = 6
RATES = {
    "adadelta": (0.125, 0.25, 0.5, 1.0, 2.0),
    "adam": (0.0005, 0.001, 0.002, 0.004, 0.008),
    "adamw": (0.0005, 0.001, 0.002, 0.004, 0.008),
    "sgd": (0.0125, 0.025, 0.05, 0.1, 0.2),
    "rmsprop": (0.00025, 0.0005, 0.001, 0.002, 0.004),
    "muon": (0.005, 0.01, 0.02, 0.04, 0.08),
}
"""The learning rates that are compared on validation images."""


@dataclass(frozen=True)
class Experiment:
    """One sweep.

    Args:
        vary: the fields and their values, as for ``penstroke sweep --vary``.
        options: fixed fields, as for ``penstroke train``.
    """

    vary: tuple[str, ...]
    options: tuple[str, ...] = ()


EXPERIMENTS = {
    "kernels": Experiment(("kernel_sizes=1x1,3x3,5x5,7x7,27x1",)),
    "stacked": Experiment(
        ("network:channels:kernel_sizes:strides=patchnet:16x16x16:3x3x3:2x1x1,patchnet:16x16:3x5:2x1",)
    ),
    "dropout": Experiment(("dropout=0x0,0.1x0,0x0.25,0.1x0.25",)),
    "normalisation": Experiment(("mean:std=0.1302:0.3069,0.1307:0.3081,0:1",)),
    "pooling": Experiment(("pool=max,stride,none",)),
    "strides": Experiment(("strides=1x1,2x1,10x1",), ("--kernel-sizes", "3", "2")),
    "batch-size": Experiment(("batch_size=4,8,16,32,64,128,256,512,1024,2048,4096",)),
    "channels": Experiment(("channels=4x8,8x16,16x32,32x64,64x128",)),
    "epochs": Experiment(("epochs=1,2,4,8,16",)),
}


def sweep(name: str, experiment: Experiment, jobs: int, seeds: int = SEEDS) -> dict[str, Any]:
    """Return the result of a sweep, whose progress is printed on stderr."""
    command = [sys.executable, "-m", "penstroke", "sweep", "book", "--data", "mnist", "--images", str(IMAGES), "--json"]
    command += [word for field in experiment.vary for word in ("--vary", field)]
    command += ["--seeds", str(seeds), "--jobs", str(jobs), "--threads", "1", "--out", str(FOLDER / name)]
    done = subprocess.run([*command, *experiment.options], stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout))


def optimizers(jobs: int) -> dict[str, Any]:
    """Return the accuracy of each optimizer at the learning rate with the best accuracy on validation images."""
    validation = ("--validation", "0.1", "--no-test-each-epoch")
    best, chosen = {}, {}
    for kind, rates in RATES.items():
        vary = f"optimizer:lr={','.join(f'{kind}:{rate}' for rate in rates)}"
        chosen[kind] = sweep(f"rates-{kind}", Experiment((vary,), validation), jobs, seeds=2)
        measured = [row for row in chosen[kind]["rows"] if row["accuracy"] is not None]
        best[kind] = f"{kind}:{max(measured, key=lambda row: row['accuracy'])['lr']}"
    vary = f"optimizer:lr={','.join(best.values())}"
    return sweep("optimizers", Experiment((vary,)), jobs) | {"validation": chosen}


def gradient_noise() -> dict[str, Any]:
    """Return the relative deviation of the gradient of batches from that of all images, by batch size.

    The network is that of ``book`` after its first epoch, without dropout. For each size, 20 random batches are used.
    """
    import torch

    from penstroke import Dataset, fit, load, recipes
    from penstroke.data import stratified_split

    data = load("mnist")
    _, part = stratified_split(data.train, IMAGES / len(data.train), 0)
    subset = Dataset(data.card, part, None, requested="mnist")
    network = fit(recipes.book(epochs=1, test_each_epoch=False), subset, progress=False).model
    images, labels = torch.from_numpy(part.images), torch.from_numpy(part.labels)

    def gradient(chosen: "torch.Tensor") -> "torch.Tensor":
        network.zero_grad()
        for piece in chosen.split(1000):
            loss = torch.nn.functional.nll_loss(network(images[piece]), labels[piece], reduction="sum")
            (loss / len(chosen)).backward()
        return torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])

    whole = gradient(torch.arange(len(labels)))
    generator = torch.Generator().manual_seed(0)
    rows = []
    for size in (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
        batches = [torch.randperm(len(labels), generator=generator)[:size] for _ in range(20)]
        squared = [float((gradient(batch) - whole).square().sum()) for batch in batches]
        rows.append({"batch_size": size, "relative_noise": float(np.sqrt(np.mean(squared)) / whole.norm())})
    return {"rows": rows, "batches": 20}


def main(*names: str, jobs: int = 2) -> None:
    """Run the named experiments, by default all, and store their figures beside those of the others.

    Args:
        names: experiments.
        jobs: trainings at once, each with one thread.
    """
    actions: dict[str, Callable[[], dict[str, Any]]] = {
        name: lambda name=name, experiment=experiment: sweep(name, experiment, jobs)  # type: ignore[misc]
        for name, experiment in EXPERIMENTS.items()
    }
    actions |= {"optimizers": lambda: optimizers(jobs), "gradient-noise": gradient_noise}
    path = Path(__file__).parent / "results" / "claims.json"
    results = json.loads(path.read_text())["experiments"] if path.exists() else {}
    for name in names or actions:
        results[name] = actions[name]()
        save_result("claims", {"conditions": environment("cpu"), "images": IMAGES, "experiments": results})


if __name__ == "__main__":
    cyclopts.run(main)
