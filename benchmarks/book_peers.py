"""Recipe ``book`` against what people use instead: ``python -m benchmarks.book_peers [PEER...]``.

One epoch of the exercise with its test, in batches of 32, with Adadelta at 0.5 and the chapter's network:

- ``chapter``: as the chapter does it, with transforms of single images;
- ``pytorch``: plain PyTorch on tensors in memory, with a ``DataLoader``;
- ``lightning``: the same with Lightning;
- ``jax``: JAX with Flax and Optax, each step compiled;
- ``keras``: Keras on JAX.

Each is measured in turn with Penstroke, in a process of its own with its default settings. Reading the images and
importing libraries are not counted; compilation is. ``--peer-python`` names the interpreter of the peers; those whose
packages are not installed there are skipped (``pip install torch lightning jax flax optax keras``). The rate of a large
matrix product is measured before each round. The figures are written to ``benchmarks/results/book-peers.json``. Run
nothing else at the same time.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np

from benchmarks.conditions import matmul_gflops, ratio, save_result, summary
from benchmarks.speed import BOOK_FLOP, penstroke, reference
from penstroke import load
from penstroke.data import Dataset

PACKAGES = {
    "chapter": (),
    "pytorch": ("torch",),
    "lightning": ("lightning",),
    "jax": ("jax", "flax", "optax"),
    "keras": ("keras", "jax"),
}
"""The packages that each peer needs in the interpreter of the peers."""


def missing(packages: tuple[str, ...], python: str) -> list[str]:
    """Return the packages that an interpreter cannot import."""
    code = "import importlib.util, sys; print(*[n for n in sys.argv[1:] if not importlib.util.find_spec(n)])"
    done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    return done.stdout.split()


def write_data(data: Dataset, path: Path) -> None:
    """Write the images and labels that the programs of the peers read."""
    arrays: dict[str, Any] = {}
    for name, split in (("train", data.train), ("test", data.test)):
        arrays |= {f"{name}_images": split.images[:, 0], f"{name}_labels": split.labels}
    np.savez(path, **arrays)


def peer(name: str, seed: int, python: str, data: Path) -> dict[str, Any]:
    """Run a peer in a new process; return its seconds, those of its training, its accuracy and versions."""
    if name == "chapter":
        found = reference("textbook-tested", seed)
        return found | {"accuracy": found["accuracies"][0]}
    command = [python, "-m", f"benchmarks.peers.book_{name}", str(data), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {found['seconds']:.2f} s, {100 * found['accuracy']:.2f} %", flush=True)
    return dict(found)


def own(seed: int) -> dict[str, Any]:
    """Train recipe ``book`` for one epoch with its test, with the command line in a new process."""
    made = penstroke("book", "--seed", str(seed), "--epochs", "1")
    row = made["epochs"][0]
    return {"seconds": made["seconds"], "train_seconds": row["seconds"], "accuracy": row["test"]["accuracy"]}


def figures(rows: list[dict[str, Any]], ours: list[dict[str, Any]], images: int) -> dict[str, Any]:
    """Return the figures of a program, and how many times faster Penstroke is, pair by pair."""
    found = {
        "seconds": summary([row["seconds"] for row in rows]),
        "accuracy": statistics.mean(row["accuracy"] for row in rows),
        "times_faster": ratio([row["seconds"] for row in rows], [row["seconds"] for row in ours]),
        "versions": rows[0].get("versions", {}),
    }
    if "train_seconds" in rows[0]:
        seconds = statistics.median(row["train_seconds"] for row in rows)
        found |= {"train_seconds": seconds, "gflops": BOOK_FLOP * images / seconds / 1e9}
    return found


def main(*peers: str, peer_python: str = sys.executable, rounds: int = 5, save: bool = True) -> None:
    """Measure recipe ``book`` and its peers in turn.

    Parameters
    ----------
    peers
        Names of peers. By default all whose packages are installed.
    peer_python
        Python interpreter with the packages of the peers.
    rounds
        Number of measurements of each.
    save
        Write the figures to a file.
    """
    if unknown := [name for name in peers if name not in PACKAGES]:
        raise SystemExit(f"Unknown peers: {', '.join(unknown)}. Known: {', '.join(PACKAGES)}.")
    chosen = []
    for name in peers or PACKAGES:
        if absent := missing(PACKAGES[name], peer_python):
            print(f"{name} is skipped: {', '.join(absent)} not installed for {peer_python}", file=sys.stderr)
        else:
            chosen.append(name)
    data = load("mnist")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in ("penstroke", *chosen)}
    rates = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mnist.npz")
        write_data(data, path)
        for seed in range(rounds):
            rates.append(matmul_gflops())
            rows["penstroke"].append(own(seed))
            for name in chosen:
                rows[name].append(peer(name, seed, peer_python, path))
    rate = statistics.median(rates)
    found = {name: figures(rows[name], rows["penstroke"], len(data.train)) for name in rows}
    for name, row in found.items():
        share = f", {100 * row['gflops'] / rate:.0f} % of the matrix product" if "gflops" in row else ""
        print(f"{name}: {row['seconds']['median']:.2f} s, {row['times_faster']['median']:.2f} times{share}")
    if save:
        print(f"Saved {save_result('book-peers', {'programs': found, 'matmul_gflops': summary(rates)})}")


if __name__ == "__main__":
    cyclopts.run(main)
