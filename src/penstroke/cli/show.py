"""``penstroke show [RUN] [PICTURE]``: test images with predictions, the preparation of a picture, or curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import Data, Json, RunArgument, integer_from
from penstroke.cli.output import Result, escape_control
from penstroke.cli.shared import (
    choose_run,
    configure_backend,
    is_run_argument,
    open_classifier,
    open_data,
    pictures_folder,
    stages_name,
)
from penstroke.errors import RunError, UsageError, require_extra

if TYPE_CHECKING:
    from penstroke.data import Split
    from penstroke.inference import Classifier
    from penstroke.report.plots import Sample

Picture = Annotated[Path | None, Parameter(name="picture", help="Picture file; draw its preparation.")]
Index = Annotated[
    int | None,
    Parameter(
        name="--index",
        help="Index of the test image, or of the first one.",
        metavar="INT",
        converter=integer_from(0),
        show_default="0",
    ),
]
Count = Annotated[
    int | None,
    Parameter(
        name="--count",
        help="Number of test images, drawn as a grid.",
        metavar="INT",
        converter=integer_from(1, 400),
        show_default="1",
    ),
]
Wrong = Annotated[
    bool,
    Parameter(
        name="--wrong",
        help="Only images that the model classifies wrongly; --index counts among them.",
        negative="",
        show_default=False,
    ),
]
Curves = Annotated[
    bool,
    Parameter(
        name="--curves",
        help="Draw loss and accuracy of the training instead of test images.",
        negative="",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    Parameter(name="--out", help="PNG file to write.", metavar="FILE", show_default="one in RUN/pictures"),
]


def show(
    run: RunArgument = None,
    picture: Picture = None,
    /,
    *,
    index: Index = None,
    count: Count = None,
    wrong: Wrong = False,
    curves: Curves = False,
    data: Data = None,
    out: Out = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Draw test images, the preparation of a picture or the curves of a training run, and return the PNG file.

    Raises:
        UsageError: an option is out of range, or does not apply to a picture or to ``--curves``.
        RunError: there are no metrics to draw curves from.
    """
    if out and out.suffix.lower() != ".png":
        raise UsageError(f"--out is {out}: it must end in .png.")
    for_images = {"--index": index is not None, "--count": count is not None, "--wrong": wrong, "--data": bool(data)}
    options = [option for option, given in for_images.items() if given]
    if curves:
        _reject(options, "--curves")
        return _show_curves(run, picture, out)
    if run and picture is None and not is_run_argument(run):
        run, picture = None, run
    if picture is not None:
        _reject(options, f"the picture {picture}")
        return _show_preparation(run, picture, out)
    return _show_images(run, index, count or 1, wrong, data, out)


def _reject(options: Sequence[str], shown: str) -> None:
    """Reject options that select test images if something else is drawn.

    Raises:
        UsageError: there is such an option.
    """
    if options:
        verb = "applies" if len(options) == 1 else "apply"
        names = " and ".join(options)
        raise UsageError(f"{names} {verb} only to test images, not to {shown}.", f"Omit {names}.")


def _show_images(
    run: Path | None, index: int | None, count: int, wrong: bool, data: str | None, out: Path | None
) -> Result:
    """Draw test images with their predictions."""
    require_extra("train", "matplotlib")

    from penstroke.report.terminal import draw
    from penstroke.report.views import draw_samples

    classifier, place = open_classifier(run)
    configure_backend(classifier)
    split = open_data(classifier, data).test
    indices: Sequence[int] = _mistakes(classifier, split) if wrong else range(len(split))
    if not indices and index is None:
        text = f"no mistakes: all {len(split)} test images are classified correctly"
        return Result({"run": str(place), "picture": None, "samples": []}, text)
    chosen = _select(indices, index or 0, count, wrong)
    folder = out.parent if out else pictures_folder(place)
    name = out.stem if out else ("wrong" if wrong else "sample") + ("" if len(chosen) == 1 else "s")
    drawn, samples = draw_samples(classifier, split, chosen, folder, name)
    lines = [draw(samples[0].image)] if len(samples) == 1 else []
    lines += [*map(_text, samples), f"picture: {drawn}"]
    rows = [_row(sample) for sample in samples]
    value = {"run": str(place), "picture": str(drawn), "samples": rows}
    return Result(value, escape_control("\n".join(lines)))


def _mistakes(classifier: "Classifier", split: "Split") -> list[int]:
    """Return the indices of the wrongly classified images."""
    from penstroke.evaluation import evaluate

    mistakes: list[int] = evaluate(classifier, split).mistakes.tolist()
    return mistakes


def _select(indices: Sequence[int], index: int, count: int, wrong: bool) -> list[int]:
    """Return ``count`` of the indices of test images, from position ``index`` on.

    Raises:
        UsageError: ``index`` is larger than the number of images.
    """
    if index >= len(indices):
        kind = "wrongly classified test images" if wrong else "test images"
        raise UsageError(
            f"--index is {index}: there are {len(indices)} {kind}.",
            f"Use an index from 0 to {len(indices) - 1}." if indices else "The model classifies all of them correctly.",
        )
    return list(indices[index : index + count])


def _row(sample: "Sample") -> dict[str, Any]:
    prediction = sample.prediction
    values = {"index": sample.index, "prediction": prediction.label, "truth": sample.truth}
    return values | {"probability": prediction.probability, "abstained": prediction.abstained}


def _text(sample: "Sample") -> str:
    prediction = sample.prediction
    label = f"no prediction ({prediction.reason})" if prediction.abstained else f"prediction {prediction.label}"
    probability = "" if prediction.abstained else f" (probability {prediction.probability:.4f})"
    return f"test image {sample.index}: {label}{probability}, truth {sample.truth}"


def _show_preparation(run: Path | None, picture: Path, out: Path | None) -> Result:
    """Draw the stages of a picture's preparation for a model."""
    require_extra("train", "matplotlib")

    from penstroke.report.views import draw_preparation

    classifier, place = open_classifier(run)
    description = classifier.description
    drawn = draw_preparation(
        picture, out or Path(stages_name(picture)), description.preprocessing, description.image_shape
    )
    value = {"file": str(picture), "run": str(place), "picture": str(drawn)}
    return Result(value, escape_control(f"picture: {drawn}"))


def _show_curves(run: Path | None, picture: Path | None, out: Path | None) -> Result:
    """Draw loss and accuracy of a run's training."""
    if picture is not None:
        raise UsageError(f"--curves does not apply to the picture {picture}.", "Omit the picture or --curves.")
    require_extra("train", "matplotlib")

    from penstroke import runs
    from penstroke.inference.source import is_bundled
    from penstroke.report.views import draw_curves

    chosen = choose_run(run)
    if is_bundled(chosen):
        raise RunError("The bundled model has no metrics.", "Train a model with `penstroke train`, or name a run.")
    training = runs.open_run(chosen)
    drawn = draw_curves(training, out)
    return Result({"run": str(chosen), "picture": str(drawn)}, escape_control(f"picture: {drawn}"))
