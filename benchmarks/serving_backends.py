"""The server with onnxruntime and with PyTorch: ``python -m benchmarks.serving_backends [--short]``.

Both compute the bundled model, in turn. It needs wrk. ``benchmarks/results/serving-backends.json`` gets the figures.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cyclopts

from benchmarks.conditions import save_result, summary
from benchmarks.processes import descendants
from benchmarks.serving import closed_loop, pictures, running, script
from benchmarks.serving_clients import resident
from penstroke.models.bundled import WEIGHTS

CONNECTIONS = (1, 32)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used."""
    total = 0.0
    for member in (pid, *descendants(pid)):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(repeats: int, seconds: int) -> dict[str, Any]:
    """Return start, memory, rates and latencies of both."""
    with tempfile.TemporaryDirectory() as folder:
        lua = script(Path(folder), pictures())
        # Beside its ONNX file, onnxruntime would compute the bundled model.
        weights = shutil.copyfile(WEIGHTS, Path(folder, "digits.safetensors"))
        sources = {"onnxruntime": "ready", "PyTorch": str(weights)}
        values: dict[str, dict[str, list[float]]] = {name: {} for name in sources}
        for _ in range(repeats):
            for name, source in sources.items():
                with running("penstroke", source) as (start, pid):
                    closed_loop(lua, 8, 1)
                    row = {"start_seconds": start, "memory_mb": resident(pid)}
                    for connections in CONNECTIONS:
                        before = cpu_seconds(pid)
                        found = closed_loop(lua, connections, seconds)
                        used = cpu_seconds(pid) - before
                        row[f"cpu_ms at {connections}"] = 1e3 * used / (found["rate"] * seconds)
                        row |= {f"{key} at {connections}": found[key] for key in ("rate", "p50", "p99")}
                for key, value in row.items():
                    values[name].setdefault(key, []).append(value)
                print(name, row, flush=True)
    return {name: {key: summary(each) for key, each in found.items()} for name, found in values.items()}


def main(*, short: bool = False) -> None:
    """Measure the backends.

    Parameters
    ----------
    short
        Two measurements of 2 seconds instead of five of 10 seconds.
    """
    repeats, seconds = (2, 2) if short else (5, 10)
    figures = {"short": short, "seconds": seconds, "backends": measure(repeats, seconds)}
    print(save_result("serving-backends", figures))


if __name__ == "__main__":
    cyclopts.run(main)
