"""``penstroke read [RUN] PICTURE...``: read all digits in pictures, line by line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import MEGAPIXEL, Device, Json, Megapixels, PictureArgument, RunArgument
from penstroke.cli.output import Result, escape_control, percent
from penstroke.cli.shared import open_classifier, pictures_folder, split_run
from penstroke.errors import DataError

if TYPE_CHECKING:
    from penstroke.inference import Page

Out = Annotated[
    Path | None, Parameter(name="--out", metavar="PATH", help="Folder for the PNGs.", show_default="RUN/pictures")
]


def read(
    run: RunArgument = None,
    /,
    *pictures: PictureArgument,
    out: Out = None,
    megapixels: Megapixels = 50,
    device: Device = "cpu",
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Return the digits of each picture; for an unreadable picture, its result is an error.

    Raises:
        DataError: the only picture is not readable.
    """
    model, paths = split_run(run, pictures, "read")

    from penstroke.inference import Page
    from penstroke.pictures import load_pixels
    from penstroke.report.pages import draw_page

    classifier, place = open_classifier(model, device)
    folder = pictures_folder(place, out)
    rows: list[dict[str, Any]] = []
    lines: list[str] = []
    errors: list[DataError] = []
    for path in paths:
        try:
            pixels = load_pixels(path, MEGAPIXEL * megapixels)
            page = classifier.read(pixels)
        except DataError as error:
            errors.append(error)
            rows.append({"file": str(path), "run": str(place)} | Page((), error).to_json())
            continue
        drawn = draw_page(pixels, page, folder / f"{path.stem}-read.png")
        rows.append({"file": str(path), "run": str(place)} | page.to_json() | {"picture": str(drawn)})
        lines += _text(path, page, drawn)
    if len(paths) == 1 and errors:
        raise errors[0]
    return Result(rows, escape_control("\n".join(lines)), DataError.exit_code if errors else 0, errors)


def _text(path: Path, page: "Page", drawn: Path) -> list[str]:
    if not page.lines:
        return [f"{path}: no digits found; picture {drawn}"]
    weakest = min((digit.prediction for digit in page.digits), key=lambda prediction: prediction.probability or 0.0)
    rejected = f", {_count(len(page.rejected), 'mark')} rejected" if page.rejected else ""
    turned = f", read after a turn of {page.rotation} degrees counterclockwise" if page.rotation else ""
    return [
        f"{path}: {_count(len(page.digits), 'digit')}, the least certain is {weakest.label} "
        f"({percent(weakest.probability or 0.0)}){rejected}{turned}; picture {drawn}",
        *(f"  {line}" for line in page.lines),
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
