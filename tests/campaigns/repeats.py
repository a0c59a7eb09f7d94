"""One seed, many processes: the same bits. Another number of threads: said, not promised."""

import subprocess
import sys
from typing import Any

PROGRAM = """
import hashlib, sys
from penstroke import fit, load, recipes, runtime
from trained import head
from penstroke.data import Dataset
runtime.prepare(int(sys.argv[1]))
whole = load("mnist5k")
data = Dataset(whole.card, head(whole.train, int(sys.argv[2])), lambda: whole.test, requested="mnist5k")
weights = fit(recipes.book(epochs=1), data, "cpu").model.state_dict()
print(hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights.values())).hexdigest())
"""


def repeats(count: int, images: int) -> dict[str, Any]:
    """Train ``count`` times with one seed and one thread, once with two threads, each in a process of its own."""

    def trained(threads: int) -> str:
        command = [sys.executable, "-c", PROGRAM, str(threads), str(images)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    found = [trained(1) for _ in range(count)]
    different = len(set(found)) - 1
    equal = trained(2) == found[0] if count > 2 else None
    return {"repeats": count, "images": images, "different": different, "two threads give the bits of one": equal}
