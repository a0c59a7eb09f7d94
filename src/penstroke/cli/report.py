"""``penstroke report [RUN]``: write what is known about a model into one HTML file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstroke.cli.options import Data, Device, Json, RunArgument, Threads, integer_from
from penstroke.cli.output import Result, escape_control, percent, warn
from penstroke.cli.shared import (
    check_test_images,
    configure_backend,
    open_classifier,
    open_data,
    warn_if_too_many_threads,
)
from penstroke.errors import UsageError, require_extra

if TYPE_CHECKING:
    from penstroke.report.html import Written

Out = Annotated[
    Path | None,
    Parameter(name="--out", help="HTML file to write.", metavar="FILE", show_default="RUN/report.html"),
]
Index = Annotated[
    int,
    Parameter(
        name="--index",
        help="Index of the test image whose feature maps are shown.",
        metavar="INT",
        converter=integer_from(0),
    ),
]


def report(
    run: RunArgument = None,
    /,
    *,
    out: Out = None,
    index: Index = 0,
    data: Data = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Measure a model on test images, and write the report as one HTML file.

    Raises:
        UsageError: ``--out`` is not an HTML file, or there is no test image ``--index``.
    """
    if out and out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out is {out}: it must end in .html.")
    require_extra("report", "jinja2")

    from penstroke import runs
    from penstroke.report.html import Request, write_report

    warn_if_too_many_threads(threads, "report")
    classifier, place = open_classifier(run, device, threads)
    configure_backend(classifier, threads)
    dataset = open_data(classifier, data)
    check_test_images(classifier, dataset)
    opened = runs.Run(place) if runs.is_run(place) else None
    path = out or (place / "report.html" if opened else Path(f"{place.stem}-report.html"))
    name = place.resolve().name if opened else place.name
    written = write_report(Request(classifier, dataset, path, opened, index, name))
    for note in written.omitted:
        warn(note)
    return Result(_value(place, dataset.card.name, written), escape_control(_text(place, dataset.card.name, written)))


def _value(run: Path, data: str, written: "Written") -> dict[str, object]:
    score = written.report.score.to_json() | {"accuracy_ci95": list(written.report.accuracy_ci95)}
    del score["loss"]  # may be infinite
    files = {"report": str(written.path), "bytes": written.size, "omitted": list(written.omitted)}
    return {"run": str(run), "data": data} | score | files


def _text(run: Path, data: str, written: "Written") -> str:
    score, (low, high) = written.report.score, written.report.accuracy_ci95
    return (
        f"{run} on {data}: {score.correct}/{score.total} correct ({percent(score.accuracy)}, "
        f"95 % interval {percent(low)} to {percent(high)})\nreport: {written.path}"
    )
