"""``penstroke data list|fetch|info|import|audit``: datasets. All but ``audit`` run without torch."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from penstroke.cli.options import ARGUMENTS, OPTIONS, Json
from penstroke.cli.output import Result, escape_control, table, warn

app = App(
    name="data",
    usage="penstroke data COMMAND [OPTIONS]",
    group_arguments=ARGUMENTS,
    group_parameters=OPTIONS,
)

Name = Annotated[str, Parameter(name="name", help="Name of the dataset; see `penstroke data list`.")]


@app.command(name="list", usage="penstroke data list [OPTIONS]", help="List the datasets.")
def list_datasets(*, json: Json = False) -> Result:  # noqa: ARG001 - read by `app.run`
    """Return the datasets that have a name, and whether their files are cached."""
    from penstroke.data.catalog import CARDS
    from penstroke.data.fetch import cached

    rows = [
        {
            "name": card.name,
            "title": card.title,
            "classes": len(card.classes),
            "cached": all(cached(card, file.name) for file in card.files),
            "licence": card.licence,
        }
        for card in CARDS.values()
    ]
    cells = [
        [str(row["name"]), "yes" if row["cached"] else "no", str(row["classes"]), str(row["title"])] for row in rows
    ]
    return Result(rows, table(["name", "cached", "classes", "title"], cells))


@app.command(name="fetch", usage="penstroke data fetch NAME [OPTIONS]", help="Download a dataset and verify it.")
def fetch(name: Name, /, *, json: Json = False) -> Result:  # noqa: ARG001 - read by `app.run`
    """Download the files of a dataset that are not cached yet, and return their paths."""
    from penstroke.cli.progress import Downloads
    from penstroke.data import card
    from penstroke.data.fetch import ensure

    return _paths(ensure(card(name), progress=Downloads()), "nothing to download: the dataset is bundled")


@app.command(
    name="info",
    usage="penstroke data info [DATA] [OPTIONS]",
    help="Describe a dataset: classes, counts, statistics, licence.",
)
def info(
    data: Annotated[str, Parameter(name="data", help="auto, the name of a dataset, or a folder.")] = "auto",
    /,
    *,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Return classes, counts, statistics, licence and citation of a dataset."""
    from penstroke.cli.progress import Downloads
    from penstroke.data import load
    from penstroke.data.sources import describe

    description = describe(load(data, progress=Downloads()))
    for note in description["notes"]:
        warn(note)
    train, test = description["train"], description["test"]
    shape = "x".join(str(side) for side in description["image_shape"])
    lines = [
        f"{description['name']}: {description['title']}",
        f"{train['images']} training and {test['images']} test images of {shape} (channels x height x width)",
        f"pixel mean {_numbers(description['mean'])}, standard deviation {_numbers(description['std'])} "
        "(pixels scaled to 0..1, training images)",
        f"licence: {description['licence']}",
        *([f"homepage: {description['homepage']}"] if description["homepage"] else []),
    ]
    rows = [[label, str(count), str(test["per_class"][label])] for label, count in train["per_class"].items()]
    text = "\n".join([*lines, table(["class", "training images", "test images"], rows)])
    return Result(description, escape_control(text))


@app.command(
    name="import",
    usage="penstroke data import NAME FOLDER [OPTIONS]",
    help="Verify files of a dataset that you have, and copy them to the cache.",
)
def import_files(
    name: Name,
    folder: Annotated[Path, Parameter(name="folder", help="Folder with the files, under their original names.")],
    /,
    *,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Copy the files of a dataset from a folder to the cache, and return their paths."""
    from penstroke.data import card
    from penstroke.data import fetch as downloads

    return _paths(downloads.import_files(card(name), folder), "nothing to import: the dataset is bundled")


app.command(
    "penstroke.cli.audit:audit",
    name="audit",
    usage="penstroke data audit [DATA] [OPTIONS]",
    help="""\
List probable label errors, duplicates, and blank and broken images.

Each image gets the probabilities of networks that were not trained on it. The
images with the least probable labels are listed first.""",
)


def _paths(paths: dict[str, Path], none: str) -> Result:
    """Return the result for verified files, or the text ``none`` if there are none."""
    lines = [f"verified: {path}" for path in paths.values()]
    return Result({name: str(path) for name, path in paths.items()}, "\n".join(lines) or none)


def _numbers(value: float | list[float]) -> str:
    """Return a statistic as text: one number for grey images, one per channel for colour images."""
    return ", ".join(f"{part:.4f}" for part in (value if isinstance(value, list) else [value]))
