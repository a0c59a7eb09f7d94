"""Helpers shared by the benchmarks: timing, repeats, median and range, and result files with their conditions."""

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
    """Return the seconds that ``action`` takes, including the work that it queues on a CUDA device."""
    start = time.perf_counter()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleaved(actions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each action, measured in turn, so that other load affects all actions equally."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            times[name].append(seconds(action))
            print(f"  {name}: {times[name][-1]:.3f} s", flush=True)
    return times


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Return median, minimum and maximum of repeated measurements, and the measurements themselves."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "values": list(values),
    }


def ratio(slow: Sequence[float], fast: Sequence[float]) -> dict[str, Any]:
    """Return how many times faster ``fast`` is, computed pair by pair."""
    return summary([a / b for a, b in zip(slow, fast, strict=True)])


def matmul_gflops(size: int = 1024, repeats: int = 20, dtype: torch.dtype = torch.float32) -> float:
    """Return the rate of a square matrix product in GFLOP/s, as an upper bound for this machine."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    for _ in range(3):
        a @ b
    return 2 * size**3 * repeats / seconds(lambda: [a @ b for _ in range(repeats)]) / 1e9


def load_result(name: str) -> dict[str, Any]:
    """Return the figures in ``benchmarks/results/NAME.json``."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def described(conditions: dict[str, Any]) -> str:
    """Return the conditions of a result as text: cores, processor, threads and versions."""
    threads = "1 thread" if conditions["threads"] == 1 else f"{conditions['threads']} threads"
    return (
        f"{conditions['cores']} cores of {conditions['processor']}, {threads}, "
        f"Python {conditions['python']}, PyTorch {conditions['packages']['torch']}"
    )


def save_result(name: str, figures: dict[str, Any]) -> Path:
    """Write figures with their conditions to ``benchmarks/results/NAME.json`` and return the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    conditions = environment("cpu") | {"when": datetime.now(UTC).isoformat(timespec="seconds")}
    path.write_text(json.dumps({"conditions": conditions, **figures}, indent=1) + "\n", encoding="utf-8")
    return path
