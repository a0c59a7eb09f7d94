"""``penstroke data list|fetch|info|import|audit|shard``: datasets. All but ``audit`` run without torch."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from penstroke.cli.options import ARGUMENTS, DATA_HELP, OPTIONS, Json, Size, SkipBroken, integer_from
from penstroke.cli.output import Result, escape_control, table, warn
from penstroke.errors import require_extra

app = App(
    name="data",
    usage="penstroke data COMMAND [OPTIONS]",
    group_arguments=ARGUMENTS,
    group_parameters=OPTIONS,
)

SHOWN = 10
"""Number of broken pictures that are printed."""

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
    data: Annotated[str, Parameter(name="data", help=DATA_HELP)] = "auto",
    /,
    *,
    size: Size = None,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Return classes, counts, statistics, licence and citation of a dataset. Broken pictures are left out and named."""
    from penstroke.cli.progress import Downloads
    from penstroke.data import describe, load

    description = describe(load(data, progress=Downloads(), size=size, skip_broken=True))
    for note in description["notes"]:
        warn(note)
    return Result(description, escape_control(_description_text(description)))


def _description_text(found: dict[str, Any]) -> str:
    """Return a description of a dataset as text."""
    splits = {name: found[name] for name in ("train", "corrections", "validation", "test") if found[name]}
    names = {"train": "training", "corrections": "corrected", "validation": "validation", "test": "test"}
    *first, last = (f"{split['images']} {names[name]}" for name, split in splits.items())
    counts = f"{', '.join(first)} and {last}" if first else last
    shape = "x".join(str(side) for side in found["image_shape"])
    lines = [
        f"{found['name']}: {found['title']}",
        f"{counts} images of {shape} (channels x height x width)",
        f"pixel mean {_numbers(found['mean'])}, standard deviation {_numbers(found['std'])} "
        "(pixels scaled to 0..1, training images)",
        *([_pictures_text(found["pictures"])] if found["pictures"] else []),
        *([f"largest class / smallest class: {found['imbalance']:g}"] if found["imbalance"] else []),
        *_broken_lines(found["broken"]),
        f"licence: {found['licence']}",
        *([f"homepage: {found['homepage']}"] if found["homepage"] else []),
    ]
    rows = [[label, *(str(split["per_class"][label]) for split in splits.values())] for label in found["classes"]]
    return "\n".join([*lines, table(["class", *(f"{names[name]} images" for name in splits)], rows)])


def _pictures_text(found: dict[str, Any]) -> str:
    """Return a line on the sizes and colours of the training pictures."""
    commonest, smallest, largest = ("x".join(map(str, found[name])) for name in ("commonest", "smallest", "largest"))
    text = f"pictures: {found['commonest_count']} of {found['pictures']} pictures have {commonest} pixels"
    if found["sizes"] > 1:
        text += f"; there are {found['sizes']} sizes from {smallest} to {largest}"
    if found["resized"]:
        text += f"; {found['resized']} are resized, {found['reduced']} of them are reduced and lose detail"
    share = found["colour_share"]
    colour = {0.0: "all are grey", 1.0: "all are in colour"}.get(share, f"{100 * share:.4g} % are in colour")
    return f"{text}; {colour}"


def _broken_lines(broken: dict[str, str]) -> list[str]:
    """Return lines on the pictures that cannot be read."""
    if not broken:
        return []
    shown = list(broken.values())[:SHOWN]
    more = [f"and {len(broken) - SHOWN} more"] if len(broken) > SHOWN else []
    return [f"pictures that cannot be read: {len(broken)}; `train --skip-broken` leaves them out", *shown, *more]


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


@app.command(
    name="shard",
    usage="penstroke data shard [DATA] --out FOLDER [OPTIONS]",
    help="Write a dataset as Parquet files, from which --data FOLDER trains.",
)
def shard(
    data: Annotated[str, Parameter(name="data", help=DATA_HELP)] = "auto",
    /,
    *,
    out: Annotated[
        Path, Parameter(name="--out", help="Folder for the shards; the same command continues it.", metavar="PATH")
    ],
    shard_size: Annotated[
        int,
        Parameter(
            name="--shard-size",
            help="Size of the images of a shard, in MiB.",
            metavar="INT",
            converter=integer_from(1, 1024),
        ),
    ] = 64,
    size: Size = None,
    skip_broken: SkipBroken = False,
    json: Json = False,  # noqa: ARG001 - read by `app.run`
) -> Result:
    """Write all splits of a dataset as shards, and return their number."""
    from penstroke.cli.progress import Downloads, counter
    from penstroke.data import load
    from penstroke.data.shards import splits_of, write_shards

    require_extra("scale", "pyarrow.parquet")  # before the data are read
    dataset = load(data, progress=Downloads(), size=size, skip_broken=skip_broken)
    for note in dataset.notes:
        warn(note)
    with counter("shards written") as report:
        paths = write_shards(dataset, out, shard_size << 20, report)
    split_sizes = {split.name: len(split) for split in splits_of(dataset)}
    value = {"folder": str(out), "shards": [path.name for path in paths], "images": split_sizes}
    counts = ", ".join(f"{count} images of {name}" for name, count in split_sizes.items())
    return Result(value, f"{out}: {len(paths)} shards, {counts}")


def _paths(paths: dict[str, Path], none: str) -> Result:
    """Return the result for verified files, or the text ``none`` if there are none."""
    lines = [f"verified: {path}" for path in paths.values()]
    return Result({name: str(path) for name, path in paths.items()}, "\n".join(lines) or none)


def _numbers(value: float | list[float]) -> str:
    """Return a statistic as text: one number for grey images, one per channel for colour images."""
    return ", ".join(f"{part:.4f}" for part in (value if isinstance(value, list) else [value]))
