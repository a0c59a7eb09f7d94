"""Coverage-guided fuzzing of the readers of IDX files, run folders and model headers, and large IDX files."""

import gzip
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstroke.data.idx import read_idx
from penstroke.errors import DataError

SHARES = {"idx": 1.0, "run": 0.03, "model": 0.03}
"""Number of inputs for each target, relative to that of IDX."""
LIMIT = 2.0
"""Seconds within which each input must be accepted or rejected."""
MEMORY = 64 << 20
"""Maximum growth, in bytes, of the memory of a fuzzing process."""
SIZE = 16 << 20
"""Bytes of each of the large inputs."""

LARGE: dict[str, Callable[[int], bytes]] = {
    "empty members": lambda size: gzip.compress(b"") * (size // 20),
    "members of a byte": lambda size: (
        gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 9)) + gzip.compress(b"x") * (size // 32)
    ),
    "endless name": lambda size: b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * size,
    "endless comment": lambda size: b"\x1f\x8b\x08\x10" + bytes(6) + b"a" * size,
    "empty blocks": lambda size: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\0\0\0\xff\xff" * (size // 5),
    "zeros after the end": lambda size: gzip.compress(b"") + bytes(size),
    "bomb with a small stated size": lambda size: gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 8) + bytes(16 * size)),
    "promise of 4 GiB": lambda size: struct.pack(">4BI", 0, 0, 8, 1, (1 << 32) - 1) + bytes(size),
    "gzipped promise of 4 GiB": lambda size: gzip.compress(
        struct.pack(">4BI", 0, 0, 8, 1, (1 << 32) - 1) + bytes(size)
    ),
    "64 sizes of 1": lambda size: struct.pack(">4B64I", 0, 0, 8, 64, *[1] * 64) + bytes(size),
}
"""Files that are constructed to be slow to read: a fuzzer of small inputs does not find them."""


def large(size: int = SIZE) -> dict[str, Any]:
    """Read each large input; return the error messages and the times."""
    found: dict[str, Any] = {}
    for name, make in LARGE.items():
        data, message = make(size), ""
        start = time.process_time()
        try:
            read_idx(data)
        except DataError as error:
            message = error.message
        elapsed = round(time.process_time() - start, 3)
        found[name] = {"bytes": len(data), "seconds": elapsed, "message": message}
    return found


def fuzz(name: str, inputs: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Fuzz a target in a new process and return its figures, with the failures under `failures`."""
    result = folder / f"{name}.json"
    command = [sys.executable, "-m", "campaigns.guided", name, str(inputs), str(result), str(seed)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(folder)}
    )
    if not result.exists():
        return {"inputs": 0, "failures": [f"ended with {done.returncode}: {done.stderr[-2000:]}"]}
    figures: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    wrong = [find["error"] for find in figures["wrong"]]
    if figures["slowest_s"] > LIMIT:
        wrong.append(f"an input took {figures['slowest_s']:.1f} s")
    if figures["memory"] > MEMORY:
        wrong.append(f"the memory grew by {figures['memory']} bytes")
    return figures | {"failures": wrong}


def campaign(folder: Path, inputs: int, size: int = SIZE) -> dict[str, Any]:
    """Read the large inputs, fuzz each target, and return the figures."""
    slow = large(size)
    for found in slow.values():
        found["wrong"] = not found["message"] or found["seconds"] > LIMIT
    targets = {name: fuzz(name, round(inputs * share), folder) for name, share in SHARES.items()}
    return {"targets": targets, "large": slow}


def failures(figures: dict[str, Any]) -> list[str]:
    """Return the failures in the figures of ``campaign``."""
    slow = [f"{name}: {found}" for name, found in figures["large"].items() if found["wrong"]]
    return slow + [f"{name}: {what}" for name, found in figures["targets"].items() for what in found["failures"]]
