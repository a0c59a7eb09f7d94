"""Every kind of hostile model file, run folder and state dict: rejected in time, with nothing executed.

No other file may be opened, and no module imported. A valid model file is mutated many times, too.
"""

import os
import pickle
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from safetensors import numpy

from campaigns.model_kinds import (
    ACCEPTED,
    CONTENTS,
    FILES,
    MARK,
    RUNS,
    STATES,
    Evil,
    Maker,
    good,
    saved,
    sparse,
    tensors,
)
from campaigns.watch import breaches, watched
from penstroke import runs
from penstroke.errors import PenstrokeError
from penstroke.inference import Classifier
from penstroke.models import unpickle
from penstroke.models.third_party import load_third_party

LIMIT = 1.0
"""Seconds within which each must be rejected."""
TIMEOUT = 20
"""Seconds after which a trial counts as hanging."""


@dataclass
class Outcome:
    """The result of one trial."""

    kind: str
    message: str = ""
    """The message of the ``PenstrokeError``; empty if there was none."""
    seconds: float = 0.0
    """Processor time of a trial in this process, otherwise the duration."""
    wrong: list[str] = field(default_factory=list)
    """Events that must not occur."""


@contextmanager
def in_time() -> Iterator[None]:
    """Raise ``TimeoutError`` if the block takes too long."""

    def on_alarm(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(TIMEOUT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def trial(kind: str, make: Maker, use: Callable[[Path], Any], root: Path) -> Outcome:
    """Write one hostile file or folder, use it, and return the result."""
    folder = Path(tempfile.mkdtemp(dir=root))
    inside, outside = folder / "inside", folder / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "model.safetensors").write_bytes(good())
    (outside / "run.json").write_text('{"state": "finished", "created": "1"}')
    make(inside)
    outcome = Outcome(kind)
    with watched() as events:
        start = time.process_time()
        try:
            with in_time():
                use(inside)
            outcome.wrong.append("accepted")
        except (PenstrokeError, unpickle.Rejected) as error:
            outcome.message = str(error).replace(str(folder), "")
        except BaseException as error:  # noqa: BLE001 - any other error is a failure
            outcome.wrong.append(f"{type(error).__name__}: {error}"[:300])
        outcome.seconds = time.process_time() - start
    outcome.wrong += breaches(events, inside)
    if (inside / MARK).exists():
        outcome.wrong.append("executed code")
    return outcome


def _writing(make: Callable[[Path], bytes], name: str) -> Maker:
    return lambda folder: (folder / name).write_bytes(make(folder))


def use_model(path: Path) -> Float32[ndarray, "1 classes"]:
    """Load a model file, apply it to a black image and return the log-probabilities."""
    classifier = Classifier.load(path)
    log_probs = classifier.log_probs(np.zeros((1, *classifier.description.image_shape), np.uint8))
    assert log_probs.shape == (1, len(classifier.description.classes))
    return log_probs


def _use_model(folder: Path) -> None:
    use_model(folder / "model.safetensors")


def _use_run(folder: Path) -> None:
    _ = runs.Run(folder).record


def _use_metrics(folder: Path) -> None:
    rows = list(runs.Run(folder).rows("step"))
    raise PenstrokeError(f"{len(rows)} rows")


def _use_state(folder: Path) -> None:
    with (folder / "weights.pth").open("rb") as file:
        unpickle.read_state(file)


def _use_evaluation(folder: Path) -> None:
    run = runs.Run(folder)
    for name in runs.list_evaluations(run) or ["a"]:
        runs.read_evaluation(run, name)


METRICS: dict[str, Maker] = {
    "metrics that are a pipe": lambda folder: os.mkfifo(folder / "metrics.jsonl"),
    "metrics that link out of the folder": lambda folder: (folder / "metrics.jsonl").symlink_to("/etc/passwd"),
    "metrics of 100,000 levels": lambda folder: (folder / "metrics.jsonl").write_text("[" * 100_000),
    "metrics of other values": lambda folder: (folder / "metrics.jsonl").write_text('[1]\n2\nnull\n"step"\n'),
    "metrics in one endless line": lambda folder: (folder / "metrics.jsonl").write_text(" " * (64 << 20)),
}


def _evaluation(log_probs: Any, labels: Any, report: str = "{}") -> Maker:
    """Return a function that writes an evaluation of these predictions and this report."""

    def make(folder: Path) -> None:
        (folder / "evaluations" / "a").mkdir(parents=True)
        (folder / "evaluations" / "a" / "report.json").write_text(report)
        content = numpy.save({"log_probs": np.asarray(log_probs), "labels": np.asarray(labels)})
        (folder / "evaluations" / "a" / "predictions.safetensors").write_bytes(content)

    return make


def _replaced(name: str, make: Callable[[Path], object]) -> Maker:
    """Return a function that writes a valid evaluation and replaces one of its files."""

    def made(folder: Path) -> None:
        _evaluation(PREDICTIONS, [1])(folder)
        path = folder / "evaluations" / "a" / name
        path.unlink()
        make(path)

    return made


PREDICTIONS = np.log(np.full((1, 2), 0.5, np.float32))
EVALUATIONS: dict[str, Maker] = {
    "predictions in double precision": _evaluation(PREDICTIONS.astype(np.float64), [1]),
    "predictions of one dimension": _evaluation(PREDICTIONS[0], [1, 1]),
    "predictions that are NaN": _evaluation(PREDICTIONS * np.float32("nan"), [1]),
    "fewer labels than predictions": _evaluation(np.repeat(PREDICTIONS, 2, 0), [1]),
    "label that is not a class": _evaluation(PREDICTIONS, [2]),
    "negative label": _evaluation(PREDICTIONS, [-1]),
    "predictions that are a pipe": _replaced("predictions.safetensors", os.mkfifo),
    "predictions that link out of the folder": _replaced(
        "predictions.safetensors", lambda path: path.symlink_to("/etc/passwd")
    ),
    "predictions that are a pickle": _replaced(
        "predictions.safetensors", lambda path: path.write_bytes(pickle.dumps(Evil(path.parent.parent.parent)))
    ),
    "sparse predictions of a terabyte": _replaced(
        "predictions.safetensors", lambda path: sparse(path, 1 << 40, numpy.save({"a": PREDICTIONS}))
    ),
    "report that is a pipe": _replaced("report.json", os.mkfifo),
    "report of 100,000 levels": _evaluation(PREDICTIONS, [1], "[" * 100_000),
    "report that is a list": _evaluation(PREDICTIONS, [1], "[]"),
    "report of a newer format": _evaluation(PREDICTIONS, [1], '{"format": 2}'),
}
"""Hostile evaluations of a run."""


BY_LIMITS = ("stated size of eight gigabytes", "pickle that takes long")
"""State dicts that only the limits of the process that opens them reject."""


def warm_up(root: Path) -> None:
    """Use everything once, so that later imports of standard modules are not counted as hostile."""
    path = root / "warm.safetensors"
    path.write_bytes(good())
    use_model(path)
    for content in (saved(tensors()), saved(tensors(), _use_new_zipfile_serialization=False), b"x"):
        with suppress(unpickle.Rejected):
            unpickle.read_state(BytesIO(content))


def all_kinds(root: Path) -> Iterator[Outcome]:
    """Try every kind that can be tried in this process."""
    warm_up(root)
    for kind, content in CONTENTS.items():
        yield trial(kind, _writing(content, "model.safetensors"), _use_model, root)
    for kind, make in FILES.items():
        yield trial(f"{kind} in place of a model file", make, _use_model, root)
    for kind, make in RUNS.items():
        yield trial(kind, make, _use_run, root)
    for kind, make in METRICS.items():
        yield trial(kind, make, _use_metrics, root)
    for kind, make in EVALUATIONS.items():
        yield trial(kind, make, _use_evaluation, root)
    for kind, content in STATES.items():
        if kind not in BY_LIMITS:
            yield trial(f"state dict: {kind}", _writing(content, "weights.pth"), _use_state, root)


def by_limits(root: Path) -> Iterator[Outcome]:
    """Try the state dicts that take memory and time. The duration includes the import of PyTorch."""
    path = root / "weights.pth"
    for kind in BY_LIMITS:
        path.write_bytes(STATES[kind](root))
        outcome = Outcome(f"state dict: {kind} (with the start of a process)")
        start = time.perf_counter()
        try:
            load_third_party(path)
            outcome.wrong.append("accepted")
        except PenstrokeError as error:
            outcome.message = str(error).replace(str(root), "")
        outcome.seconds = time.perf_counter() - start
        yield outcome


def accepted(root: Path) -> Iterator[Outcome]:
    """Load every unusual model file that is valid."""
    path = root / "accepted.safetensors"
    for kind, content in ACCEPTED.items():
        path.write_bytes(content())
        outcome = Outcome(kind)
        try:
            if not np.isfinite(use_model(path)).all():
                outcome.wrong.append("log-probabilities that are not finite")
        except Exception as error:  # noqa: BLE001 - every error is a failure
            outcome.wrong.append(f"{type(error).__name__}: {error}"[:300])
        yield outcome


def mutated(count: int, root: Path, seed: int = 0) -> dict[str, Any]:
    """Load ``count`` mutations of valid model files, each of which must give a model or a ``PenstrokeError``."""
    path, contents, generator = (
        root / "mutated.safetensors",
        [make() for make in ACCEPTED.values()],
        random.Random(seed),
    )
    figures: dict[str, Any] = {"files": count, "rejected": 0, "loaded": 0, "slowest_s": 0.0, "wrong": []}
    for number in range(count):
        content = contents[number % len(contents)]
        header = 8 + int.from_bytes(content[:8], "little")
        data = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            at = generator.randrange(header if generator.random() < 0.8 else len(data))
            piece = bytes(generator.choices(b'0123456789"{}[]:,-eE.\\\0\xff', k=generator.randint(0, 3)))
            data[at : at + generator.randint(0, 3)] = piece
        if generator.random() < 0.5:  # a valid length of the header, so that more of it is read
            data[:8] = (header + len(data) - len(content) - 8).to_bytes(8, "little")
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            use_model(path)
            figures["loaded"] += 1
        except PenstrokeError:
            figures["rejected"] += 1
        except Exception as error:  # noqa: BLE001 - any other error is a failure
            figures["wrong"].append(f"{number}: {type(error).__name__}: {error}"[:200])
        figures["slowest_s"] = max(figures["slowest_s"], time.perf_counter() - start)
    return figures


def campaign(folder: Path, mutations: int) -> dict[str, Any]:
    """Try every kind, hostile and accepted, and a number of mutations; return the figures."""
    outcomes = list(all_kinds(folder))
    for outcome in outcomes:
        if outcome.seconds > LIMIT:
            outcome.wrong.append(f"took {outcome.seconds:.1f} s")
    slowest = max(outcome.seconds for outcome in outcomes)
    outcomes += by_limits(folder)
    valid = [outcome for outcome in accepted(folder) if outcome.wrong]
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    return {
        "kinds": len(outcomes),
        "wrong": len(wrong),
        "slowest_s": slowest,
        "mutations": mutated(mutations, folder),
        "outcomes": [asdict(outcome) for outcome in outcomes],
        "valid rejected": [asdict(outcome) for outcome in valid],
    }


def failures(figures: dict[str, Any]) -> list[str]:
    """Return the failures in the figures of ``campaign``."""
    outcomes = [*figures["outcomes"], *figures["valid rejected"]]
    wrong = [f"{outcome['kind']}: {what}" for outcome in outcomes for what in outcome["wrong"]]
    return wrong + figures["mutations"]["wrong"]
