"""Measure ``book`` on corrupted test images of MNIST, the baseline of ``penstroke test --corruptions``.

``python -m benchmarks.corruptions RUN`` writes ``src/penstroke/evaluation/book_corruptions.json`` from a run of
``penstroke train book --data mnist --seed 0 --threads 1``.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import cyclopts

from penstroke import Classifier, load
from penstroke.data import fingerprint
from penstroke.errors import UsageError
from penstroke.evaluation.robustness import BASELINE, SEED, corruption_errors
from penstroke.runs import Run
from penstroke.runtime import environment
from penstroke.storage import write_bytes


def measure(run: Path) -> None:
    recipe = Run(run).recipe()
    if recipe.name != "book":
        raise UsageError(f"{run} is a run of {recipe.name}; it must be one of book.", "Train it with recipe book.")
    test, start = load("mnist").test, time.perf_counter()
    found = corruption_errors(
        Classifier.load(run), test, notify=lambda name, number, count: print(f"{number + 1}/{count} {name}", flush=True)
    )
    figures = {
        "conditions": environment("cpu") | {"when": datetime.now(UTC).isoformat(timespec="seconds")},
        "seconds": round(time.perf_counter() - start, 1),
        "recipe": recipe.to_json(),
        "fingerprint": fingerprint(test),
        "images": len(test),
        "seed": SEED,
        "clean": found.clean,
        "errors": {family.name: list(family.errors) for family in found.families},
    }
    write_bytes(BASELINE, (json.dumps(figures, indent=1) + "\n").encode())
    for family in found.families:
        print(f"{family.name:14}", *(f"{100 * error:6.2f} %" for error in family.errors))


if __name__ == "__main__":
    cyclopts.run(measure)
