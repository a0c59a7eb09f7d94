"""Every kind of hostile model file, run folder and state dict: refused in time, nothing executed, nothing else opened.

``python -m campaigns.model_files`` tries them all, and mutates a right file many times; it writes
``benchmarks/results/reliability-models.json``.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

from campaigns.model_kinds import CONTENTS, MARK, PLACES, RUNS, STATES, Maker, good, saved, tensors
from campaigns.watch import breaches, watched
from penstroke import runs
from penstroke.errors import PenstrokeError
from penstroke.inference import Classifier
from penstroke.models import unpickle
from penstroke.models.foreign import load_foreign

LIMIT = 1.0
"""Seconds in which each must be refused."""
HANGS = 20
"""Seconds after which a trial counts as one that would never end."""


@dataclass
class Outcome:
    """What came of one trial."""

    kind: str
    said: str = ""
    """The message of our own error; empty if there was none."""
    seconds: float = 0.0
    """Of a processor, where it was tried in this process; else by the clock."""
    wrong: list[str] = field(default_factory=list)
    """What must not have happened."""


@contextmanager
def in_time() -> Iterator[None]:
    """Raise ``TimeoutError`` where the block hangs."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def trial(kind: str, make: Maker, ask: Callable[[Path], Any], root: Path) -> Outcome:
    """Make one hostile thing in a new folder, ask for it, and return what came of it."""
    folder = Path(tempfile.mkdtemp(dir=root))
    inside, outside = folder / "inside", folder / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "model.safetensors").write_bytes(good())
    (outside / "run.json").write_text('{"created": "1"}')
    make(inside)
    outcome = Outcome(kind)
    with watched() as events:
        begun = time.process_time()
        try:
            with in_time():
                ask(inside)
            outcome.wrong.append("taken for good")
        except (PenstrokeError, unpickle.Refused) as fault:
            outcome.said = str(fault).replace(str(folder), "")
        except BaseException as fault:  # noqa: BLE001 - all else is what must not be
            outcome.wrong.append(f"{type(fault).__name__}: {fault}"[:300])
        outcome.seconds = time.process_time() - begun
    outcome.wrong += breaches(events, inside)
    if (inside / MARK).exists():
        outcome.wrong.append("executed code")
    return outcome


def _writing(make: Callable[[Path], bytes], name: str) -> Maker:
    return lambda folder: (folder / name).write_bytes(make(folder))


def _ask_model(folder: Path) -> None:
    Classifier.load(folder / "model.safetensors")


def _ask_run(folder: Path) -> None:
    runs.Run(folder).read()


def _ask_metrics(folder: Path) -> None:
    rows = list(runs.Run(folder).rows("step"))
    raise PenstrokeError(f"{len(rows)} rows")


def _ask_state(folder: Path) -> None:
    with (folder / "weights.pth").open("rb") as file:
        unpickle.read_state(file)


METRICS: dict[str, Maker] = {
    "metrics that are a pipe": lambda folder: os.mkfifo(folder / "metrics.jsonl"),
    "metrics that lead out": lambda folder: (folder / "metrics.jsonl").symlink_to("/etc/passwd"),
    "metrics of 100,000 levels": lambda folder: (folder / "metrics.jsonl").write_text("[" * 100_000),
    "metrics of other values": lambda folder: (folder / "metrics.jsonl").write_text('[1]\n2\nnull\n"step"\n'),
    "metrics in one endless line": lambda folder: (folder / "metrics.jsonl").write_text(" " * (64 << 20)),
}
BY_LIMITS = ("eight gigabytes claimed", "pickle that takes long")
"""State dicts that only the limits of their process stop."""


def warm_up(root: Path) -> None:
    """Use everything once, so that what Python imports late is imported."""
    path = root / "warm.safetensors"
    path.write_bytes(good())
    Classifier.load(path)
    for content in (saved(tensors()), saved(tensors(), _use_new_zipfile_serialization=False), b"x"):
        with suppress(unpickle.Refused):
            unpickle.read_state(BytesIO(content))


def all_kinds(root: Path) -> Iterator[Outcome]:
    """Try every kind that can be tried in this process."""
    warm_up(root)
    for kind, content in CONTENTS.items():
        yield trial(kind, _writing(content, "model.safetensors"), _ask_model, root)
    for kind, make in PLACES.items():
        yield trial(f"{kind} as a model file", make, _ask_model, root)
    for kind, make in RUNS.items():
        yield trial(kind, make, _ask_run, root)
    for kind, make in METRICS.items():
        yield trial(kind, make, _ask_metrics, root)
    for kind, content in STATES.items():
        if kind not in BY_LIMITS:
            yield trial(f"state dict: {kind}", _writing(content, "weights.pth"), _ask_state, root)


def by_limits(root: Path) -> Iterator[Outcome]:
    """Try the state dicts that take memory and time, whose process must end; PyTorch's import is timed with them."""
    path = root / "weights.pth"
    for kind in BY_LIMITS:
        path.write_bytes(STATES[kind](root))
        outcome = Outcome(f"state dict: {kind} (with the start of its process)")
        begun = time.perf_counter()
        try:
            load_foreign(path)
            outcome.wrong.append("taken for good")
        except PenstrokeError as fault:
            outcome.said = str(fault).replace(str(root), "")
        outcome.seconds = time.perf_counter() - begun
        yield outcome


def mutated(count: int, root: Path, seed: int = 0) -> dict[str, Any]:
    """Load ``count`` mutations of a right model file; only our error may come, or a model."""
    path, content, chance = root / "mutated.safetensors", good(), random.Random(seed)
    header = 8 + int.from_bytes(content[:8], "little")
    figures: dict[str, Any] = {"files": count, "refused": 0, "loaded": 0, "slowest_s": 0.0, "wrong": []}
    for number in range(count):
        data = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(header if chance.random() < 0.8 else len(data))
            piece = bytes(chance.choices(b'0123456789"{}[]:,-eE.\\\0\xff', k=chance.randint(0, 3)))
            data[at : at + chance.randint(0, 3)] = piece
        if chance.random() < 0.5:  # a header whose length is right again, so that more is read of it
            data[:8] = (header + len(data) - len(content) - 8).to_bytes(8, "little")
        path.write_bytes(data)
        begun = time.perf_counter()
        try:
            Classifier.load(path)
            figures["loaded"] += 1
        except PenstrokeError:
            figures["refused"] += 1
        except Exception as fault:  # noqa: BLE001 - what must not be
            figures["wrong"].append(f"{number}: {type(fault).__name__}: {fault}"[:200])
        figures["slowest_s"] = max(figures["slowest_s"], time.perf_counter() - begun)
    return figures


def main(count: int = 50_000) -> int:
    """Run the campaign, print and keep its figures, and return 0 if all went well."""
    from benchmarks.conditions import keep

    with tempfile.TemporaryDirectory() as name:
        outcomes = list(all_kinds(Path(name)))
        for outcome in outcomes:
            if outcome.seconds > LIMIT:
                outcome.wrong.append(f"took {outcome.seconds:.1f} s")
        outcomes += by_limits(Path(name))
        for outcome in outcomes:
            print(f"{'WRONG' if outcome.wrong else 'ok':6}{outcome.seconds:6.2f} s  {outcome.kind}", *outcome.wrong)
        mutations = mutated(count, Path(name))
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    inside = [outcome.seconds for outcome in outcomes[: -len(BY_LIMITS)]]
    figures = {"kinds": len(outcomes), "wrong": len(wrong), "slowest_s": max(inside), "mutations": mutations}
    print(figures)
    keep("reliability-models", figures | {"outcomes": [asdict(outcome) for outcome in outcomes]})
    return int(bool(wrong or mutations["wrong"]))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
