"""``penstroke predict [RUN] PICTURE...``: say what pictures of your own show."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional

from penstroke.cli.chosen import open_classifier, split_run
from penstroke.cli.output import percent, print_error, say, say_json
from penstroke.cli.parsing import parse
from penstroke.errors import DataError, UsageError

if TYPE_CHECKING:
    from penstroke.inference import Reading


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Say what each PICTURE (PNG, JPEG, BMP, GIF or WebP; any size, dark on bright or bright on dark) shows.

    usage: penstroke predict [RUN] PICTURE... [options]
    """

    pictures: Annotated[tuple[Path, ...], Positional] = ()
    """Picture files; before them, optionally, a run folder or model file (default: the latest run)."""
    device: str = "cpu"
    """auto, cpu, cuda, mps or xpu."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Answer for all pictures that can be read; name those that cannot, and exit with 3 then."""
    options = parse(PredictOptions, "predict", words)
    place, pictures = split_run(options.pictures)
    if not pictures:
        raise UsageError("No picture was named.", "Name at least one: penstroke predict PICTURE...")

    classifier, _ = open_classifier(place, options.device)

    def answer(path: Path) -> "Reading | DataError":
        try:
            return classifier.read_symbol(path)
        except DataError as fault:
            return fault

    # Decoding leaves Python's lock, so threads do it side by side.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = list(pool.map(answer, pictures))
    faults = [found for found in answers if isinstance(found, DataError)]
    if len(pictures) == 1 and faults:
        raise faults[0]
    if options.json:
        say_json([_as_json(path, found) for path, found in zip(pictures, answers, strict=True)])
    else:
        for path, found in zip(pictures, answers, strict=True):
            if isinstance(found, DataError):
                print_error(found, as_json=False)
            else:
                say(f"{path}: {_in_words(found)}")
    return DataError.exit_code if faults else 0


def _in_words(found: "Reading") -> str:
    if found.abstained:
        return f"no answer ({found.reason})"
    (_, share), *others = found.ranking
    then = ", ".join(f"{label} {percent(rest)}" for label, rest in others[:2])
    return f"{found.label} (probability {percent(share)}; then {then})"


def _as_json(path: Path, found: "Reading | DataError") -> dict[str, Any]:
    if isinstance(found, DataError):
        fault = {"kind": found.kind, "message": found.message, "remedy": found.remedy}
        nothing: dict[str, Any] = {"label": None, "probability": None, "probabilities": [], "abstained": True}
        return {"file": str(path)} | nothing | {"error": fault}
    return {
        "file": str(path),
        "label": found.label,
        "probability": found.probability,
        "probabilities": list(found.probabilities),
        "abstained": found.abstained,
        "reason": found.reason,
    }
