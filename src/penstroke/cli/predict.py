"""``penstroke predict [RUN] PICTURE...``: say what pictures of your own show."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional

from penstroke import runs
from penstroke.cli.chosen import (
    open_classifier,
    pictures_folder,
    pixel_limit,
    split_run,
    stages_name,
    warn_of_unfinished,
)
from penstroke.cli.output import as_fault, harmless, percent, print_error, say, say_json, warn
from penstroke.cli.parsing import parse
from penstroke.cli.workers import prepared
from penstroke.errors import DataError
from penstroke.inference import Reading
from penstroke.models.description import read_description

if TYPE_CHECKING:
    from numpy import ndarray

    from penstroke.inference import Classifier


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Say what each PICTURE (PNG, JPEG, BMP, GIF or WebP; any size, dark on bright or bright on dark) shows."""

    pictures: Annotated[tuple[Path, ...], Positional] = ()
    """Picture files; before them, optionally, a run folder or model file (default: the latest run)."""
    explain_picture: bool = False
    """Also draw how each picture was prepared, stage by stage, as a PNG among the run's pictures."""
    megapixels: int = 50
    """The most that a picture may have; more are refused before they are decoded."""
    device: str = "cpu"
    """auto, cpu, cuda, mps or xpu."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Answer for all pictures that can be read; name those that cannot, and exit with 3 then."""
    options = parse(PredictOptions, "predict [RUN] PICTURE... [options]", words)
    place, pictures = split_run(options.pictures, "predict")
    pixels = pixel_limit(options.megapixels)
    model = runs.model_file(place)
    warn_of_unfinished(model.parent)
    description = read_description(model)
    # Processes prepare the pictures, side by side, while this one imports torch.
    with prepared(pictures, description.picture_rule, description.image_shape, pixels) as waiting:
        classifier, _ = open_classifier(model, options.device)
        answers = _ask(classifier, [result() for result in waiting])
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
                say(f"{harmless(str(path))}: {_in_words(found)}")
    if options.explain_picture:
        _explain(
            pictures, model, description.picture_rule, description.image_shape[1], say if not options.json else warn
        )
    return DataError.exit_code if faults else 0


def _explain(pictures: Sequence[Path], model: Path, rule: str, size: int, tell: Callable[[str], None]) -> None:
    """Draw the stages of each picture's preparation, and name the files; what cannot be read was said already."""
    from penstroke.insight.views import draw_preparation

    folder = pictures_folder(model.parent if model.name == runs.MODEL else model)
    for path in pictures:
        with contextlib.suppress(DataError):
            tell(f"stages: {draw_preparation(path, folder / stages_name(path), rule, size)}")


def _ask(classifier: "Classifier", images: Sequence["ndarray | DataError"]) -> list[Reading | DataError]:
    """Return an answer for each image, all asked at once, and each fault as it is; an empty page is no fault."""
    import numpy as np

    from penstroke.pictures import EmptyPicture

    known = [image for image in images if not isinstance(image, DataError)]
    readings = iter(classifier.readings(np.stack(known)) if known else [])
    answers: list[Reading | DataError] = []
    for image in images:
        if isinstance(image, EmptyPicture):
            answers.append(Reading((), classifier.description.classes, image.message))
        else:
            answers.append(image if isinstance(image, DataError) else next(readings))
    return answers


def _in_words(found: Reading) -> str:
    if found.abstained:
        return f"no answer ({found.reason})"
    (_, share), *others = found.ranking
    then = ", ".join(f"{label} {percent(rest)}" for label, rest in others[:2])
    return f"{found.label} (probability {percent(share)}; then {then})"


def _as_json(path: Path, found: Reading | DataError) -> dict[str, Any]:
    if isinstance(found, DataError):
        nothing: dict[str, Any] = {"label": None, "probability": None, "probabilities": [], "abstained": True}
        return {"file": str(path)} | nothing | {"error": as_fault(found)}
    return {
        "file": str(path),
        "label": found.label,
        "probability": found.probability,
        "probabilities": list(found.probabilities),
        "abstained": found.abstained,
        "reason": found.reason,
    }
