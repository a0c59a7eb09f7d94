"""A million inputs for the reader of IDX files, and some for run folders and model files, guided by their paths.

``python -m campaigns.idx_fuzz`` runs the whole and writes ``benchmarks/results/reliability-fuzz.json``.
"""

import gzip
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstroke.data.idx import read_idx
from penstroke.errors import DataError

SHARES = {"idx": 1.0, "run": 0.03, "model": 0.03}
"""Inputs for each target, as shares of those for IDX."""
LIMIT = 2.0
"""Seconds in which each input must be answered."""
MEMORY = 64 << 20
"""Bytes that a whole campaign may take beyond what it began with."""
SIZE = 16 << 20
"""Bytes of each of the large inputs, which are made to take long."""


LARGE: dict[str, Callable[[int], bytes]] = {
    "empty members": lambda size: gzip.compress(b"") * (size // 20),
    "members of a byte": lambda size: (
        gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 9)) + gzip.compress(b"x") * (size // 32)
    ),
    "endless name": lambda size: b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * size,
    "endless comment": lambda size: b"\x1f\x8b\x08\x10" + bytes(6) + b"a" * size,
    "empty blocks": lambda size: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + b"\0\0\0\xff\xff" * (size // 5),
    "zeros behind the end": lambda size: gzip.compress(b"") + bytes(size),
    "bomb behind a small promise": lambda size: gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 8) + bytes(16 * size)),
    "promise of 4 GiB": lambda size: struct.pack(">4BI", 0, 0, 8, 1, (1 << 32) - 1) + bytes(size),
    "gzipped promise of 4 GiB": lambda size: gzip.compress(
        struct.pack(">4BI", 0, 0, 8, 1, (1 << 32) - 1) + bytes(size)
    ),
    "64 sizes of 1": lambda size: struct.pack(">4B64I", 0, 0, 8, 64, *[1] * 64) + bytes(size),
}
"""Files that are made to take long: what a fuzzer of small inputs does not find."""


def large(size: int = SIZE) -> dict[str, Any]:
    """Read each large input, and return what was said of it and how long it took."""
    found: dict[str, Any] = {}
    for name, make in LARGE.items():
        data, said = make(size), ""
        begun = time.process_time()
        try:
            read_idx(data)
        except DataError as fault:
            said = fault.message
        found[name] = {"bytes": len(data), "seconds": round(time.process_time() - begun, 3), "said": said}
    return found


def fuzz(name: str, runs: int, folder: Path, seed: int = 0) -> dict[str, Any]:
    """Fuzz a target in a process of its own, and return its figures; what was wrong with them is under `faults`."""
    result = folder / f"{name}.json"
    command = [sys.executable, "-m", "campaigns.guided", name, str(runs), str(result), str(seed)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(folder)}
    )
    if not result.exists():
        return {"inputs": 0, "faults": [f"ended with {done.returncode}: {done.stderr[-2000:]}"]}
    figures: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    faults = [find["fault"] for find in figures["wrong"]]
    if figures["slowest_s"] > LIMIT:
        faults.append(f"an input took {figures['slowest_s']:.1f} s")
    if figures["memory"] > MEMORY:
        faults.append(f"{figures['memory']} bytes of memory were taken")
    return figures | {"faults": faults}


def main(runs: int = 1_000_000) -> int:
    """Run the campaign, print and keep its figures, and return 0 if all went well."""
    from benchmarks.conditions import keep

    slow = large()
    for found in slow.values():
        found["wrong"] = not found["said"] or found["seconds"] > LIMIT
    for name, found in slow.items():
        print(f"{'WRONG' if found['wrong'] else 'ok':6}{found['seconds']:6.2f} s  {name}", flush=True)
    memory = Path("/dev/shm")  # a disk would be what is measured
    figures = {}
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        for name, share in SHARES.items():
            figures[name] = fuzz(name, round(runs * share), Path(folder))
            print(name, figures[name], flush=True)
    keep("reliability-fuzz", {"targets": figures, "large": slow})
    return int(any(found["wrong"] for found in slow.values()) or any(found["faults"] for found in figures.values()))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
