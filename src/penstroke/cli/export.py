"""``penstroke export [RUN]``: write a model in another format, after comparing it with the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from cyclopts import Parameter

from penstroke.cli.options import Data, Json, RunArgument
from penstroke.cli.output import Result, escape_control
from penstroke.cli.shared import open_classifier, open_data
from penstroke.data import split_source
from penstroke.errors import UsageError, require_extra
from penstroke.export.target import Format, Precision, Target

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.export import Exported
    from penstroke.inference import Classifier

To = Annotated[Format | None, Parameter(name="--to", help="Format.", show_default=False)]
Out = Annotated[
    Path | None,
    Parameter(
        name="--out",
        metavar="PATH",
        help="File, or folder of a web page; an earlier export is replaced.",
        show_default="RUN/exports/FILE",
    ),
]
PrecisionOption = Annotated[Precision, Parameter(name="--precision", help="Of the weights, for onnx.")]
WithPreparation = Annotated[
    bool,
    Parameter(
        name="--with-preparation",
        help="The ONNX model takes a drawing of any size instead of images of 28x28 pixels.",
        negative="",
        show_default=False,
    ),
]
SingleFile = Annotated[
    bool,
    Parameter(
        name="--single-file", help="Make one HTML file instead of a folder, for web.", negative="", show_default=False
    ),
]


def export(
    run: RunArgument = None,
    /,
    *,
    to: To = None,
    out: Out = None,
    precision: PrecisionOption = "float32",
    with_preparation: WithPreparation = False,
    single_file: SingleFile = False,
    data: Data = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Export a model, compare it with the original on test images, and return what was measured."""
    if to is None:
        raise UsageError("--to is missing.", f"Name a format: {', '.join(get_args(Format))}.")
    target = Target(to, precision, with_preparation, single_file)
    require_extra("export", "torch", "onnx", "onnxscript")

    from penstroke.export import export_model

    classifier, chosen = open_classifier(run, "cpu")
    path = out or _exports_folder(chosen) / target.file_name
    exported = export_model(classifier, target, path, _open_data(classifier, data))
    value = {"run": str(chosen)} | exported.to_json()
    return Result(value, escape_control(_text(exported)))


def _open_data(classifier: "Classifier", source: str | None) -> "Dataset":
    """Return the dataset ``source``, by default the one that the model was trained on.

    A comparison does not need images that are new to the model: where MNIST is not available, its bundled sample is
    used.
    """
    trained_on = classifier.description.trained.get("data", {}).get("source") or ""
    return open_data(classifier, source or ("auto" if split_source(trained_on)[0] == "mnist" else None))


def _exports_folder(chosen: Path) -> Path:
    """Return the folder of a run's exports, or the current folder for a model file."""
    from penstroke import runs

    return chosen / "exports" if runs.is_run(chosen) else Path()


def _text(exported: "Exported") -> str:
    target, parity = exported.target, exported.parity
    name = target.format if target.precision == "float32" else f"{target.format} {target.precision}"
    text = (
        f"{name}: {exported.path} is written, {exported.bytes:,} bytes; {parity.images:,} test images: "
        f"{parity.different_labels} different labels, probabilities within {parity.largest_difference:.1g}"
    )
    if parity.different_labels:
        text += f", {parity.correct:,} correct instead of {parity.correct_of_model:,} (p = {parity.p_value:.2g})"
    if drawings := exported.drawings:
        text += f"; {drawings.drawings} drawings: {drawings.different_labels} different labels"
    if gain := exported.gain:
        verdict = "recommended" if gain.recommended else "not recommended"
        times = ", ".join(f"batches of {size}: {times:.2f} times as fast" for size, times in gain.times_faster.items())
        text += f"\nint8 is {verdict}; compared with float32 ({gain.float32_bytes:,} bytes), {times}"
    return text
