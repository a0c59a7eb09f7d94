"""``penstroke predict [RUN] PICTURE...``: classify pictures that show one symbol each."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import MEGAPIXEL, Device, Json, Megapixels, PictureArgument, RunArgument
from penstroke.cli.output import Result, escape_control, percent, warn
from penstroke.cli.shared import open_classifier, pictures_folder, split_run, stages_name
from penstroke.errors import DataError, EmptyPicture, require_extra

if TYPE_CHECKING:
    from penstroke.inference import Classifier, Prediction

Explain = Annotated[
    bool,
    Parameter(
        name="--explain-picture",
        help="Also draw the preparation of each picture as a PNG.",
        negative="",
        show_default=False,
    ),
]


def predict(
    run: RunArgument = None,
    /,
    *pictures: PictureArgument,
    explain_picture: Explain = False,
    megapixels: Megapixels = 50,
    device: Device = "cpu",
    json: Json = False,
) -> Result:
    """Return the prediction for each picture; for an unreadable picture, its result is an error.

    Raises:
        DataError: the only picture is not readable.
    """
    model, paths = split_run(run, pictures, "predict")
    if explain_picture:
        require_extra("train", "matplotlib")
    classifier, place = open_classifier(model, device)
    max_pixels = MEGAPIXEL * megapixels
    predictions = classifier.predict(list(paths), max_pixels=max_pixels)
    errors = [prediction.error for prediction in predictions if prediction.error]
    if len(paths) == 1 and errors:
        raise errors[0]
    results = list(zip(paths, predictions, strict=True))
    readable = [(path, prediction) for path, prediction in results if not prediction.error]
    lines = [f"{path}: {_text(prediction)}" for path, prediction in readable]
    if explain_picture:
        drawn = _draw_stages([path for path, _ in readable], classifier, pictures_folder(place), max_pixels)
        if json:
            for path in drawn:
                warn(f"stages: {path}")
        lines += [f"stages: {path}" for path in drawn]
    value = [_row(path, place, prediction) for path, prediction in results]
    return Result(value, escape_control("\n".join(lines)), DataError.exit_code if errors else 0, errors)


def _row(path: Path, run: Path, prediction: "Prediction") -> dict[str, Any]:
    return {"file": str(path), "run": str(run)} | prediction.to_json()


def _text(prediction: "Prediction") -> str:
    if prediction.abstained:
        return f"no prediction ({prediction.reason})"
    (_, best), *others = prediction.ranking
    then = ", ".join(f"{label}: {percent(probability)}" for label, probability in others[:2])
    return f"{prediction.label} (probability {percent(best)}, then {then})"


def _draw_stages(pictures: Sequence[Path], classifier: "Classifier", folder: Path, max_pixels: int) -> list[Path]:
    """Draw the preparation of each picture, and return the PNG files; pictures without a symbol have none."""
    from penstroke.report.views import draw_preparation

    model = classifier.description
    drawn = []
    for path in pictures:
        with contextlib.suppress(EmptyPicture):
            png = folder / stages_name(path)
            drawn.append(draw_preparation(path, png, model.preprocessing, model.image_shape, max_pixels))
    return drawn
