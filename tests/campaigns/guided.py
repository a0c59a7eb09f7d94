"""Fuzz one target: guided by code coverage where atheris is installed, otherwise with random mutations.

``python -m campaigns.guided TARGET INPUTS FIGURES [SEED]`` writes its figures to the file FIGURES. It is a program of
its own because libFuzzer ends the process in which it runs. Inputs that reach new code are stored beside FIGURES.
"""

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from campaigns.targets import CORPUS, MAX_LENGTH, TARGETS, ChangeBytes, Target, scramble
from penstroke.errors import PenstrokeError


class Count:
    """Calls the target with inputs and counts the results."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.figures: dict[str, Any] = {"inputs": 0, "rejected": 0, "accepted": 0, "slowest_s": 0.0, "wrong": []}
        self._memory = 0

    def call(self, data: bytes) -> None:
        """Call the target once; any error other than a ``PenstrokeError`` is stored with the input."""
        figures = self.figures
        figures["inputs"] += 1
        start = time.process_time()
        try:
            self.target.call(data)
            figures["accepted"] += 1
        except PenstrokeError:
            figures["rejected"] += 1
        except Exception as error:  # noqa: BLE001 - what the fuzzer looks for
            figures["wrong"].append({"error": f"{type(error).__name__}: {error}"[:300], "input": data.hex()[:9000]})
        figures["slowest_s"] = max(figures["slowest_s"], time.process_time() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        self._memory = self._memory or peak
        figures["memory"] = peak - self._memory


def corpus(name: str) -> list[bytes]:
    """Return the seeds of a target, and its inputs in ``tests/corpus``."""
    return [*TARGETS[name].seeds(), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]


def by_chance(name: str, inputs: int, seed: int = 0) -> dict[str, Any]:
    """Fuzz with random mutations of the corpus."""
    target, generator = TARGETS[name], random.Random(seed)
    count, known = Count(target), corpus(name)
    change: ChangeBytes = lambda data: scramble(data, generator)  # noqa: E731
    for data in known:
        count.call(data)
    while count.figures["inputs"] < inputs:
        data = generator.choice(known)
        for _ in range(generator.randint(1, 3)):
            data = target.mutate(data, generator, change)
        count.call(data)
    return count.figures | {"guided": False}


def guided(name: str, inputs: int, result: Path, seed: int) -> None:
    """Fuzz with atheris, which ends this process."""
    import atheris

    target = TARGETS[name]
    count = Count(target)
    folder = result.with_suffix(".corpus")
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(corpus(name)):
        (folder / f"seed-{number}").write_bytes(data)

    def call(data: bytes) -> None:
        count.call(data)
        if count.figures["inputs"] == inputs or count.figures["wrong"]:
            result.write_text(json.dumps(count.figures | {"guided": True}), encoding="utf-8")

    def mutate(data: bytes, max_length: int, number: int) -> bytes:
        generator = random.Random(number)
        mutated = target.mutate(bytes(data), generator, lambda inside: bytes(atheris.Mutate(inside, max_length)))
        return mutated[:max_length]

    for module in target.modules:
        _instrument(module, vars(import_module(module)), atheris.instrument_func)
    options = [f"-runs={inputs}", f"-seed={seed + 1}", f"-max_len={MAX_LENGTH}", "-verbosity=0", "-timeout=20"]
    atheris.Setup([sys.argv[0], *options, str(folder)], call, custom_mutator=mutate)
    atheris.Fuzz()


def _instrument(module: str, names: Mapping[str, Any], instrument: Callable[[Any], Any]) -> None:
    """Instrument the functions of a module and the methods of its classes, so that the fuzzer sees their coverage."""
    for thing in list(names.values()):
        if isinstance(thing, FunctionType) and thing.__module__ == module and "__wrapped__" not in vars(thing):
            instrument(thing)
        elif isinstance(thing, type) and thing.__module__ == module:
            _instrument(module, vars(thing), instrument)


def main(name: str, inputs: int, result: Path, seed: int = 0) -> None:
    """Fuzz, guided if possible, and write the figures."""
    try:
        import atheris  # noqa: F401 - available for some systems and versions of Python
    except ImportError:
        result.write_text(json.dumps(by_chance(name, inputs, seed)), encoding="utf-8")
    else:
        guided(name, inputs, result, seed)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
