"""Fuzz one target, guided by the paths that its inputs take where atheris is installed, else by chance alone.

``python -m campaigns.guided TARGET RUNS FIGURES [SEED]`` writes what it found to the file FIGURES. A process of its
own, since libFuzzer ends the one that it runs in. New inputs that take new paths are kept beside FIGURES.
"""

import json
import random
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any

from campaigns.targets import CORPUS, MAX_LENGTH, TARGETS, Bytewise, Target, scramble
from penstroke.errors import PenstrokeError


class Count:
    """Asks the target again and again, and counts what comes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.figures: dict[str, Any] = {"inputs": 0, "refused": 0, "taken": 0, "slowest_s": 0.0, "wrong": []}
        self._memory = 0

    def ask(self, data: bytes) -> None:
        """Ask for one input; what is neither an answer nor our own error is noted with the input."""
        figures = self.figures
        figures["inputs"] += 1
        begun = time.process_time()
        try:
            self.target.ask(data)
            figures["taken"] += 1
        except PenstrokeError:
            figures["refused"] += 1
        except Exception as fault:  # noqa: BLE001 - the finds
            figures["wrong"].append({"fault": f"{type(fault).__name__}: {fault}"[:300], "input": data.hex()[:9000]})
        figures["slowest_s"] = max(figures["slowest_s"], time.process_time() - begun)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
        self._memory = self._memory or peak
        figures["memory"] = peak - self._memory


def kept(name: str) -> list[bytes]:
    """Return the target's seeds, and the inputs kept of it."""
    return [*TARGETS[name].seeds(), *(path.read_bytes() for path in sorted((CORPUS / name).glob("*")))]


def by_chance(name: str, runs: int, seed: int = 0) -> dict[str, Any]:
    """Fuzz by chance alone: mutate the seeds and kept inputs, each time a few times over."""
    target, chance = TARGETS[name], random.Random(seed)
    count, inputs = Count(target), kept(name)
    change: Bytewise = lambda data: scramble(data, chance)  # noqa: E731
    for data in inputs:
        count.ask(data)
    while count.figures["inputs"] < runs:
        data = chance.choice(inputs)
        for _ in range(chance.randint(1, 3)):
            data = target.mutate(data, chance, change)
        count.ask(data)
    return count.figures | {"guided": False}


def guided(name: str, runs: int, result: Path, seed: int) -> None:
    """Fuzz with atheris, which ends this process."""
    import atheris

    target = TARGETS[name]
    count = Count(target)
    folder = result.with_suffix(".corpus")
    folder.mkdir(exist_ok=True)
    for number, data in enumerate(kept(name)):
        (folder / f"seed-{number}").write_bytes(data)

    def ask(data: bytes) -> None:
        count.ask(data)
        if count.figures["inputs"] == runs or count.figures["wrong"]:
            result.write_text(json.dumps(count.figures | {"guided": True}), encoding="utf-8")

    def mutate(data: bytes, most: int, number: int) -> bytes:
        chance = random.Random(number)
        return target.mutate(bytes(data), chance, lambda inside: bytes(atheris.Mutate(inside, most)))[:most]

    for module in target.modules:
        _instrument(module, vars(sys.modules[module]), atheris.instrument_func)
    options = [f"-runs={runs}", f"-seed={seed + 1}", f"-max_len={MAX_LENGTH}", "-verbosity=0", "-timeout=20"]
    atheris.Setup([sys.argv[0], *options, str(folder)], ask, custom_mutator=mutate)
    atheris.Fuzz()


def _instrument(module: str, names: Mapping[str, Any], instrument: Callable[[Any], Any]) -> None:
    """Let the fuzzer see the paths through a module's functions and its classes' methods."""
    for thing in list(names.values()):
        if isinstance(thing, FunctionType) and thing.__module__ == module and "__wrapped__" not in vars(thing):
            instrument(thing)
        elif isinstance(thing, type) and thing.__module__ == module:
            _instrument(module, vars(thing), instrument)


def main(name: str, runs: int, result: Path, seed: int = 0) -> None:
    """Fuzz, guided if that is possible, and write the figures."""
    try:
        import atheris  # noqa: F401 - it is there for some systems and versions of Python
    except ImportError:
        result.write_text(json.dumps(by_chance(name, runs, seed)), encoding="utf-8")
    else:
        guided(name, runs, result, seed)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *map(int, sys.argv[4:]))
