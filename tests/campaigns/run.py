"""Run campaigns: ``python -m campaigns.run [--small] [--save] [NAME...]``, with ``tests`` and ``.`` in ``PYTHONPATH``.

Each campaign runs in a new process. ``--save`` writes the figures of full campaigns, with their duration, to
``benchmarks/results/reliability-*.json``. The exit code is 5 if a campaign finds a failure.
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
    "unreadable", "unequal", "leftovers", "wrong error", "checkpoint lost", "lost", "invalid", "undetected",
    "previous not used", "different",
)  # fmt: skip
"""Figures of training campaigns that must be 0."""
MAX_SHARE = 0.02
"""Maximum fraction of the time that checkpoints may take."""
TRAINING = ("kills", "kill points", "power cuts", "faults", "damage", "repeats", "cost")
"""Campaigns that interrupt training runs."""
HOSTILE = ("fetch", "fuzz", "models", "pictures")
"""Campaigns with hostile input."""
SMALL = ("kills", "kill points", "power cuts", "faults", "damage")
"""Campaigns whose short form ``test_campaigns`` runs. Tests of ``data`` and ``models`` run that of the others."""


def _actions(name: str, folder: Path) -> tuple[Callable[[], Figures], Callable[[], Figures]]:
    """Return functions that run the full and the short form of a campaign."""
    if name in HOSTILE:
        from campaigns import fetch_race, idx_fuzz, model_files, picture_fuzz

        return {
            "fetch": (
                lambda: fetch_race.campaign(100, 16),
                lambda: fetch_race.campaign(2, 4, length=30, slow=False),
            ),
            "fuzz": (
                lambda: idx_fuzz.campaign(folder, 1_000_000),
                lambda: idx_fuzz.campaign(folder, 20_000, size=1 << 20),
            ),
            "models": (lambda: model_files.campaign(folder, 50_000), lambda: model_files.campaign(folder, 300)),
            "pictures": (
                lambda: picture_fuzz.fuzz(20_000, finds=picture_fuzz.FINDS),
                lambda: picture_fuzz.fuzz(100),
            ),
        }[name]
    from campaigns import cost, faults, flips, kills, powercut, repeats

    return {
        "kills": (lambda: kills.at_random(folder, 1000), lambda: kills.at_random(folder, 6, optimizers=1)),
        "kill points": (lambda: kills.at_every_operation(folder), lambda: kills.at_every_operation(folder, 11)),
        "power cuts": (lambda: powercut.states(folder, 50_000, 500), lambda: powercut.states(folder, 600, 3)),
        "faults": (
            lambda: faults.at_every_operation(folder),
            lambda: faults.at_every_operation(folder, 13, faults.KINDS[:1]),
        ),
        "damage": (lambda: flips.damage(folder, 10_000), lambda: flips.damage(folder, 100)),
        "repeats": (lambda: repeats.repeats(20, 4000), lambda: repeats.repeats(2, 320)),
        "cost": (lambda: cost.cost(folder, 2, 15), lambda: cost.cost(folder, 1, 3)),
    }[name]


def run_here(name: str, small: bool) -> Figures:
    """Run one campaign in this process and return its figures."""
    if name in TRAINING and name != "cost":
        import torch

        torch.set_num_threads(1)  # a process with other threads must not fork
    memory = Path("/dev/shm")  # independent of the speed of the disk; power cuts are simulated
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        start = time.perf_counter()
        figures = _actions(name, Path(folder))[small]()
        return {**figures, "seconds": time.perf_counter() - start}


def run(names: Sequence[str], small: bool = False) -> dict[str, Figures]:
    """Run campaigns in one new process and return their figures."""
    command = [sys.executable, "-m", "campaigns.run", "--here", *names, *(["--small"] if small else [])]
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    threads = {} if "cost" in names else {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    figures: dict[str, Figures] = json.loads(done.stdout.splitlines()[-1])
    return figures


def failures(name: str, figures: Figures) -> list[str]:
    """Return the failures in the figures of a campaign."""
    if name in HOSTILE:
        from campaigns import fetch_race, idx_fuzz, model_files, picture_fuzz

        modules = {"fetch": fetch_race, "fuzz": idx_fuzz, "models": model_files, "pictures": picture_fuzz}
        found: list[str] = modules[name].failures(figures)
        return found
    wrong = [f"{key}: {figures[key]}" for key in NEVER if figures.get(key)]
    share = figures.get("share", 0.0)
    return [*wrong, f"share: {share}"] if share > MAX_SHARE else wrong


def save(name: str, figures: Figures) -> None:
    """Write the figures of a full campaign to ``benchmarks/results``."""
    from benchmarks.conditions import RESULTS, load_result, save_result

    if name in HOSTILE:
        save_result(f"reliability-{name}", figures)
        return
    file = "reliability-training"
    saved = load_result(file)["trials"] if (RESULTS / f"{file}.json").exists() else {}
    save_result(file, {"trials": {**saved, name: figures}})


def main(arguments: list[str]) -> int:
    """Run the named campaigns, or all, and print their figures."""
    small = "--small" in arguments
    names = [argument for argument in arguments if not argument.startswith("--")] or [*TRAINING, *HOSTILE]
    if "--here" in arguments:
        print(json.dumps({name: run_here(name, small) for name in names}))
        return 0
    failed = False
    for name in names:
        figures = run([name], small)[name]
        wrong = failures(name, figures)
        print(f"{name}: {json.dumps(figures)} {wrong or 'ok'}", flush=True)
        failed |= bool(wrong)
        if "--save" in arguments and not small:
            save(name, figures)
    return 5 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
