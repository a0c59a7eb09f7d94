"""``python -m campaigns.run [--small] [TRIAL...]``: run trials, each in a process of its own, and keep their figures.

The figures go to ``benchmarks/results/reliability-training.json``, with how long each trial took; those of ``--small``
are only printed. The exit code is 5 if a trial found what must never happen.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

NEVER = (
    "unreadable", "unequal", "littered", "wrong error", "checkpoint lost", "lost", "third", "unnoticed",
    "previous not used", "different",
)  # fmt: skip
"""Figures that must be 0."""
MOST = {"share": 0.02}
"""Figures that must not be above this."""


def _trials(folder: Path) -> dict[str, tuple[Callable[[], Figures], Callable[[], Figures]]]:
    """Return each trial in full and in small."""
    from campaigns import cost, faults, flips, kills, powercut, repeats

    return {
        "kills": (lambda: kills.at_random(folder, 1000), lambda: kills.at_random(folder, 6, optimizers=1)),
        "kill points": (lambda: kills.at_every_operation(folder), lambda: kills.at_every_operation(folder, 11)),
        "power cuts": (lambda: powercut.states(folder, 50_000, 500), lambda: powercut.states(folder, 600, 3)),
        "faults": (
            lambda: faults.at_every_operation(folder),
            lambda: faults.at_every_operation(folder, 13, faults.KINDS[:1]),
        ),
        "damages": (lambda: flips.damages(folder, 10_000), lambda: flips.damages(folder, 100)),
        "repeats": (lambda: repeats.repeats(20, 4000), lambda: repeats.repeats(2, 320)),
        "cost": (lambda: cost.cost(2), lambda: cost.cost(1)),
    }


SUITE = ("kills", "kill points", "power cuts", "faults", "damages")
"""Trials whose small share belongs into the tests."""


def one(name: str, small: bool) -> Figures:
    """Run one trial in this process."""
    import torch

    if name != "cost":
        torch.set_num_threads(1)  # a program that forks must not have started others
    memory = Path("/dev/shm")  # nothing here asks what a disk does: that is modelled
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        begun = time.perf_counter()
        figures = _trials(Path(folder))[name][small]()
        return {**figures, "seconds": time.perf_counter() - begun}


def found(names: Sequence[str], small: bool) -> dict[str, Figures]:
    """Run trials in one process of their own."""
    command = [sys.executable, "-m", "campaigns.run", "--inside", *names, *(["--small"] if small else [])]
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    threads = {} if "cost" in names else {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    figures: dict[str, Figures] = json.loads(done.stdout.splitlines()[-1])
    return figures


def failures(figures: Figures) -> list[str]:
    """Return what a trial found that must never happen."""
    return [f"{name} {figures[name]}" for name in NEVER if figures.get(name)] + [
        f"{name} {figures[name]}" for name, most in MOST.items() if figures.get(name, 0) > most
    ]


def main(words: list[str]) -> int:
    """Run the trials named, or all, and keep their figures."""
    small = "--small" in words
    names = [word for word in words if not word.startswith("--")]
    if "--inside" in words:
        print(json.dumps({name: one(name, small) for name in names}))
        return 0
    from benchmarks.conditions import RESULTS, keep

    failed = 0
    for name in names or list(_trials(Path())):
        figures = found([name], small)[name]
        print(f"{name}: {json.dumps(figures)} {failures(figures) or 'ok'}", flush=True)
        failed += bool(failures(figures))
        if not small:
            path = RESULTS / "reliability-training.json"
            kept = json.loads(path.read_text())["trials"] if path.exists() else {}
            keep("reliability-training", {"trials": {**kept, name: figures}})
    return 5 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
