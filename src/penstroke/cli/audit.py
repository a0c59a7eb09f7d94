"""``penstroke data audit DATA``: probable label errors, duplicates, blank and broken images of a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke import recipes
from penstroke.cli.options import DATA_HELP, Device, Json, Size, Threads, integer_from
from penstroke.cli.output import Result, escape_control, table, warn
from penstroke.errors import require_extra

if TYPE_CHECKING:
    from penstroke.evaluation.audit import Audit

SHOWN = 10
"""Number of candidates that are printed."""

DataArgument = Annotated[str, Parameter(name="data", help=DATA_HELP)]
Out = Annotated[
    Path | None, Parameter(name="--out", help="Folder for the CSV and PNG files.", show_default="audit-NAME")
]
RecipeName = Annotated[
    str,
    Parameter(
        name="--recipe",
        help="Recipe of the cross-validated networks.",
        choices=tuple(recipes.RECIPES),
        metavar="RECIPE",
        show_choices=False,
    ),
]
Repeats = Annotated[
    int,
    Parameter(
        name="--repeats",
        help="Cross-validations whose probabilities are averaged; more give a better ranking.",
        metavar="INT",
        converter=integer_from(1, 100),
    ),
]
Count = Annotated[
    int,
    Parameter(name="--count", help="Candidates in the image grid.", metavar="INT", converter=integer_from(1, 400)),
]


def audit(
    data: DataArgument = "auto",
    /,
    *,
    recipe: RecipeName = "fast",
    repeats: Repeats = 5,
    count: Count = 60,
    size: Size = None,
    out: Out = None,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Audit all splits of a dataset, and write the candidates and duplicates as CSV files and an image grid."""
    require_extra("audit", "torch", "cleanlab")

    from penstroke import runtime, storage

    runtime.configure(threads, tune=True)
    found = _audit(data, size, recipe, repeats, device)
    name = Path(data).name if data != "auto" else found.splits[0].name
    folder = storage.make_folder(out or Path(f"audit-{name}"))
    value = found.to_json()
    files = [storage.write_csv(folder / "candidates.csv", value["candidates"])]
    files.append(storage.write_csv(folder / "duplicates.csv", value["duplicates"]))
    if value["candidates"]:
        files.append(_draw(found, folder / "candidates.png", count))
    value |= {"data": data, "files": [str(path) for path in files]}
    return Result(value, escape_control(_text(value)))


def _audit(source: str, size: tuple[int, int] | None, recipe: str, repeats: int, device: str) -> "Audit":
    """Return the audit of a dataset, with its progress on stderr."""
    from penstroke.cli.progress import Downloads, counter
    from penstroke.data import load
    from penstroke.evaluation import audit as checks
    from penstroke.experiments.cross_validation import out_of_fold

    data = load(source, progress=Downloads(), size=size, skip_broken=True)
    for note in data.notes:
        warn(note)
    corrected = data.corrections.split if data.corrections else None
    parts = (data.train, corrected, data.validation, data.test if data.has_test else None)
    splits = tuple(split for split in parts if split)
    whole = checks.joined(splits)
    with counter("networks trained") as count_fold:
        probabilities = out_of_fold(
            data, whole, recipes.get(recipe), repeats=repeats, device=device, on_fold=count_fold
        )
    return checks.Audit(
        splits,
        probabilities,
        checks.find_exact_duplicates(whole.images),
        checks.find_near_duplicates(whole.images),
        checks.blank_images(whole.images),
        {str(path): problem for path, problem in data.broken.items()},
    )


def _draw(found: "Audit", path: Path, count: int) -> Path:
    """Draw the first candidates, each with the suggested label and the label that it has."""
    import numpy as np

    from penstroke.inference.predictions import make_predictions
    from penstroke.report.plots import Sample, grid_figure, save_figure

    numbers = found.ranking[:count]
    predictions = make_predictions(np.log(found.probabilities[numbers]), found.splits[0].classes, 0.0)
    samples = []
    for number, prediction in zip(numbers.tolist(), predictions, strict=True):
        place = found.place(number)
        samples.append(Sample(place["index"], found.image(number), prediction, place["label"]))
    return save_figure(grid_figure(samples), path)


def _text(value: dict[str, Any]) -> str:
    candidates: Sequence[dict[str, Any]] = value["candidates"]
    kinds = [row["kind"] for row in value["duplicates"]]
    splits = ", ".join(f"{count} {name}" for name, count in value["splits"].items())
    lines = [
        f"{value['data']}: {value['images']} images ({splits})",
        f"candidates for label errors: {len(candidates)} (the label has a probability below 50 %)",
        f"exact duplicates: {kinds.count('exact')} ({value['conflicts']} with different labels), "
        f"near duplicates: {kinds.count('near')}",
        f"blank images: {len(value['blank'])}, pictures that cannot be read: {len(value['broken'])}",
    ]
    if candidates:
        rows = [
            [str(row["rank"]), row["split"], str(row["index"]), row["label"], row["suggested"], f"{row['quality']:.4f}"]
            for row in candidates[:SHOWN]
        ]
        lines.append(table(["rank", "split", "index", "label", "suggested", "probability of the label"], rows))
    lines += [f"cannot be read: {path}: {problem}" for path, problem in list(value["broken"].items())[:SHOWN]]
    return "\n".join([*lines, *(f"file: {path}" for path in value["files"])])
