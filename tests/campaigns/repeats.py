"""Training runs with one seed in several processes: the same bits. With another number of threads, bits may differ."""

import subprocess
import sys
from typing import Any

PROGRAM = """
import hashlib, sys
from penstroke import fit, load, recipes, runtime
from support.small import shortened
runtime.configure(int(sys.argv[1]))
data = shortened(load("mnist5k"), int(sys.argv[2]), 1000)
weights = fit(recipes.book(epochs=1), data, device="cpu", progress=False).model.state_dict()
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest())
"""


def repeats(count: int, images: int) -> dict[str, Any]:
    """Train ``count`` times with one seed and one thread, and once with two threads, each in a new process."""

    def trained(threads: int) -> str:
        command = [sys.executable, "-c", PROGRAM, str(threads), str(images)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    hashes = [trained(1) for _ in range(count)]
    different = len(set(hashes)) - 1
    equal = trained(2) == hashes[0] if count > 2 else None
    return {"repeats": count, "images": images, "different": different, "two threads give the bits of one": equal}
