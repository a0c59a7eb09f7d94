"""``penstroke explain [RUN] PICTURE``: draw which pixels of a picture speak for a class, and which against it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from penstroke.cli.options import MEGAPIXEL, Json, Megapixels, PictureArgument, RunArgument
from penstroke.cli.output import Result, escape_control, percent
from penstroke.cli.shared import choose_run, configure_backend, pictures_folder, split_run
from penstroke.errors import UsageError, nearest, require_extra

if TYPE_CHECKING:
    from penstroke.report.explained import Explanation

# Those of penstroke.inference.explanations, whose import takes longer than the help may.
Method = Literal["integrated-gradients", "occlusion", "gradient"]
ClassName = Annotated[
    str | None,
    Parameter(
        name="--class",
        help="Explain this class beside the most probable one.",
        metavar="CLASS",
        show_default="the second most probable",
    ),
]
MethodOption = Annotated[Method, Parameter(name="--method", help="How attributions are computed.")]
Out = Annotated[
    Path | None,
    Parameter(name="--out", help="PNG file to write.", metavar="FILE", show_default="one in RUN/pictures"),
]


def explain(
    run: RunArgument = None,
    /,
    *pictures: PictureArgument,
    other: ClassName = None,
    method: MethodOption = "integrated-gradients",
    out: Out = None,
    megapixels: Megapixels = 50,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Draw the attributions of a picture for its most probable class and another one, and return the PNG file.

    Raises:
        UsageError: there are several pictures, the class is unknown, or the model is an ONNX file.
        DataError: the picture is not readable, or contains no symbol.
    """
    model, paths = split_run(run, pictures, "explain")
    if len(paths) > 1:
        raise UsageError(f"There are {len(paths)} pictures: one can be explained at a time.", "Name one picture.")
    if out and out.suffix.lower() != ".png":
        raise UsageError(f"--out is {out}: it must end in .png.")
    require_extra("explain", "torch", "captum", "matplotlib")

    from penstroke.inference import Classifier
    from penstroke.report.explained import draw_explanation, explain_picture

    place, picture = choose_run(model), paths[0]
    classifier = Classifier.load(place, backend="torch")
    configure_backend(classifier)
    classes = classifier.description.classes
    if other is not None and other not in classes:
        raise UsageError(f"--class is {other!r}, which is not a class of {place}.", nearest(other, classes))
    found = explain_picture(classifier, picture, other, method, MEGAPIXEL * megapixels)
    drawn = draw_explanation(found, out or pictures_folder(place) / f"{picture.stem}-explained.png")
    value = {"file": str(picture), "run": str(place), "method": method} | found.to_json() | {"picture": str(drawn)}
    return Result(value, escape_control(_text(picture, found, drawn)))


def _text(picture: Path, found: "Explanation", drawn: Path) -> str:
    prediction = found.prediction
    answer = f"no prediction ({prediction.reason})" if prediction.abstained else str(prediction.label)
    lines = [f"{picture}: {answer}", *map(_class_text, found.to_json()["classes"])]
    return "\n".join([*lines, f"picture: {drawn}"])


def _class_text(row: dict[str, Any]) -> str:
    return (
        f"  {row['label']}: probability {percent(row['probability'])}, log-odds {row['log_odds']:.2f} "
        f"(of a black image {row['log_odds_of_black']:.2f})"
    )
