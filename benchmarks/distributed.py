"""Training in two processes and in one: ``python -m benchmarks.distributed [--repeats 5] [--processes 2]``.

Each recipe is trained for an epoch of MNIST with ``torchrun``, in one process and in several, one thread each, in turn.
The figures are the seconds of the steps of the epoch, without the start of the processes and the evaluation; how much
the results differ: the relative difference of the weights, and the difference of the test results in images; and the
parts of a step (``benchmarks.steps``). They are written to ``benchmarks/results/distributed.json``. Run nothing else at
the same time.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cyclopts
from safetensors.numpy import load_file

from benchmarks.conditions import ratio, save_result, summary
from penstroke import recipes

CASES = {
    "book, batches of 512": ("book", "--batch-size", "512", "--epochs", "1"),
    "fast": ("fast", "--epochs", "1", "--test-each-epoch"),
    "fast, batches of 1024": ("fast", "--batch-size", "1024", "--epochs", "1", "--test-each-epoch"),
    "robust": ("robust", "--epochs", "1", "--test-each-epoch"),
}


def launch(processes: int, *words: str) -> str:
    """Run a module in a number of processes, and return its output."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launcher, "-m", *words], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return done.stdout


def train(processes: int, options: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """Train in a number of processes, and return the row of the epoch."""
    output = launch(processes, "penstroke", "train", *options, "--data", "mnist", "--out", str(folder), "--json")
    row: dict[str, Any] = json.loads(output)["epochs"][0]
    print(f"  {processes}: {row['seconds']:.2f} s, {row['test']['correct']} correct", flush=True)
    return row


def parts(processes: int, options: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the milliseconds of the parts of a step; see ``benchmarks.steps``."""
    given = options[options.index("--batch-size") + 1] if "--batch-size" in options else None
    with tempfile.TemporaryDirectory() as home:
        path = Path(home, "parts.json")
        launch(processes, "benchmarks.steps", options[0], given or str(recipes.get(options[0]).batch_size), str(path))
        found: dict[str, dict[str, float]] = json.loads(path.read_text())
        return found


def difference(first: Path, second: Path) -> float:
    """Return the largest relative difference of the weights of two runs: the norm of the difference of a tensor."""
    weights, others = (load_file(folder / "model.safetensors") for folder in (first, second))
    return max(
        float(((value - others[name]) ** 2).sum() ** 0.5 / max(1e-12, (value**2).sum() ** 0.5))
        for name, value in weights.items()
        if value.ndim
    )


def main(*, repeats: int = 5, processes: int = 2) -> None:
    """Measure.

    Args:
        repeats: number of times that each training is measured.
        processes: number of processes that are compared with one.
    """
    results: dict[str, Any] = {"processes": processes}
    for name, options in CASES.items():
        print(name, flush=True)
        seconds: dict[int, list[float]] = {1: [], processes: []}
        correct: dict[int, int] = {}
        with tempfile.TemporaryDirectory() as home:
            for repeat in range(repeats):
                for count in (1, processes):
                    row = train(count, options, Path(home, f"{count}-{repeat}"))
                    seconds[count].append(row["seconds"])
                    correct[count] = row["test"]["correct"]
            largest = difference(Path(home, "1-0"), Path(home, f"{processes}-0"))
            equal = all(
                Path(home, f"{processes}-{repeat}/model.safetensors").read_bytes()
                == Path(home, f"{processes}-0/model.safetensors").read_bytes()
                for repeat in range(repeats)
            )
        results[name] = {
            "seconds of one": summary(seconds[1]),
            "seconds of several": summary(seconds[processes]),
            "times faster": ratio(seconds[1], seconds[processes]),
            "relative difference of weights": largest,
            "difference of correct images": correct[processes] - correct[1],
            "repeats have equal files": equal,
            "parts of a step": {str(count): parts(count, options) for count in (1, processes)},
        }
        print(json.dumps(results[name]["times faster"]), largest, flush=True)
    print(save_result("distributed", {"results": results}))


if __name__ == "__main__":
    cyclopts.run(main)
