"""``penstroke read [RUN] PICTURE...``: read all digits in pictures of your own, in lines and reading order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional

from penstroke.cli.chosen import open_classifier, pictures_folder, pixel_limit, split_run
from penstroke.cli.output import as_fault, harmless, percent, print_error, say, say_json
from penstroke.cli.parsing import parse
from penstroke.errors import DataError

if TYPE_CHECKING:
    from penstroke.inference import Mark, Page


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Read the digits in each PICTURE: a postcode, a telephone number, a column of sums.

    Digits alone are read, without what stands between them: no signs, no letters, no spaces. For each picture a PNG is
    written with boxes and readings: green what was read, grey what has a digit's size and looks like none.
    """

    pictures: Annotated[tuple[Path, ...], Positional] = ()
    """Picture files; before them, optionally, a run folder or model file (default: the latest run)."""
    out: Path | None = None
    """Folder for the PNGs; by default the run's pictures, or here for a lone model file."""
    megapixels: int = 50
    """The most that a picture may have; more are refused before they are decoded."""
    device: str = "cpu"
    """auto, cpu, cuda, mps or xpu."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Read all pictures that can be read; name those that cannot, and exit with 3 then."""
    options = parse(ReadOptions, "read [RUN] PICTURE... [options]", words)
    place, pictures = split_run(options.pictures, "read")
    limit = pixel_limit(options.megapixels)

    from penstroke.insight.pages import draw_page
    from penstroke.pictures import open_picture

    classifier, chosen = open_classifier(place, options.device)
    folder = pictures_folder(chosen, options.out)
    rows: list[dict[str, Any]] = []
    faults: list[DataError] = []
    for path in pictures:
        try:
            pixels = open_picture(path, max_pixels=limit)
            page = classifier.read_page(pixels)
        except DataError as fault:
            faults.append(fault)
            rows.append({"file": str(path), "lines": [], "digits": [], "error": as_fault(fault)})
            if not options.json and len(pictures) > 1:
                print_error(fault, as_json=False)
            continue
        drawn = draw_page(pixels, page, folder / f"{path.stem}-read.png")
        rows.append({"file": str(path)} | _as_json(page) | {"picture": str(drawn)})
        if not options.json:
            _say(path, page, drawn)
    if len(pictures) == 1 and faults:
        raise faults[0]
    if options.json:
        say_json(rows)
    return DataError.exit_code if faults else 0


def _say(path: Path, page: "Page", drawn: Path) -> None:
    if not page.lines:
        say(f"{harmless(str(path))}: no digits were found; picture {drawn}")
        return
    least = min(page.digits, key=lambda mark: mark.reading.probability or 0.0)
    left_out = f", {len(page.left_out)} marks left out" if page.left_out else ""
    say(
        f"{harmless(str(path))}: {len(page.digits)} digits, the least sure {least.reading.label} "
        f"({percent(least.reading.probability or 0.0)}){left_out}; picture {drawn}"
    )
    for line in page.lines:
        say(f"  {line}")


def _as_json(page: "Page") -> dict[str, Any]:
    def row(mark: "Mark") -> dict[str, Any]:
        reading = mark.reading
        return {"line": mark.line, "box": list(mark.box), "label": reading.label, "probability": reading.probability}

    return {
        "lines": page.lines,
        "digits": [row(mark) for mark in page.digits],
        "left_out": [row(mark) for mark in page.left_out],
    }
