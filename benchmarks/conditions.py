"""What every figure needs beside it: conditions, repeats, median and spread; and where it is kept."""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from penstroke.runtime import environment

RESULTS = Path(__file__).parent / "results"


def seconds(action: Callable[[], Any]) -> float:
    """Return how long ``action`` takes, to the end of what it started on the device."""
    start = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleaved(actions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each action, taken in turn, so that a noisy machine harms all alike."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            taken[name].append(seconds(action))
            print(f"  {name}: {taken[name][-1]:.3f} s", flush=True)
    return taken


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, smallest and largest of repeated figures, and the figures themselves."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "values": list(values),
    }


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, Any]:
    """Return how many times faster ``fast`` is, pair by pair of one round each."""
    return summary([a / b for a, b in zip(slow, fast, strict=True)])


def matmul_gflops(size: int = 1024, repeats: int = 20, dtype: torch.dtype = torch.float32) -> float:
    """Return the rate of a square matrix product, in GFLOP/s: what this machine can reach just now."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    for _ in range(3):
        a @ b
    return 2 * size**3 * repeats / seconds(lambda: [a @ b for _ in range(repeats)]) / 1e9


def result(name: str) -> dict[str, Any]:
    """Return the figures that ``keep`` wrote."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def keep(name: str, figures: dict[str, Any]) -> Path:
    """Write figures with their conditions to ``benchmarks/results/NAME.json`` and return the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    conditions = environment(torch.device("cpu")) | {"when": datetime.now(UTC).isoformat(timespec="seconds")}
    path.write_text(json.dumps({"conditions": conditions, **figures}, indent=1) + "\n")
    return path
