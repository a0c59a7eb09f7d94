"""``penstroke data list|fetch|info|import``: datasets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from penstroke.cli.output import say, say_json, table, warn
from penstroke.cli.parsing import parse
from penstroke.errors import UsageError, nearest


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """List the datasets that Penstroke knows, and which of them are at hand."""

    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """Get a dataset, check it, and keep it."""

    name: Annotated[str, Positional]
    """Which; see `penstroke data list`."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """Describe a dataset: classes, counts, statistics, licence, citation."""

    data: Annotated[str, Positional] = "auto"
    """auto, a dataset's name, or a folder."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Check files of a dataset that you have, and keep a copy where Penstroke looks for them."""

    name: Annotated[str, Positional]
    """Which dataset; see `penstroke data list`."""
    folder: Annotated[Path, Positional]
    """The folder that holds its files, under the names that their publisher gave them."""
    json: bool = False
    """Print the result as JSON."""


_OVERVIEW = """usage: penstroke data list|fetch|info|import [options]

  penstroke data list                 the datasets that are known by name, and which of them are at hand
  penstroke data fetch NAME           get one, check it, and keep it
  penstroke data info NAME or FOLDER  classes, counts, statistics, licence and citation
  penstroke data import NAME FOLDER   keep a checked copy of files that you have

mnist5k, a sample of 5,000 real digits, comes with the program."""


def run(words: Sequence[str]) -> int:
    """Do one of the four."""
    actions = {"list": _list, "fetch": _fetch, "info": _info, "import": _import}
    if not words or words[0] in ("-h", "--help"):
        say(_OVERVIEW)
        return 0 if words else UsageError.exit_code
    if words[0] not in actions:
        raise UsageError(f"`penstroke data` cannot {words[0]!r}.", nearest(words[0], actions))
    return actions[words[0]](words[1:])


def _list(words: Sequence[str]) -> int:
    options = parse(ListOptions, "data list [options]", words)
    from penstroke.data.catalog import CARDS
    from penstroke.data.fetch import present

    rows = [
        {
            "name": known.name,
            "title": known.title,
            "classes": len(known.classes),
            "at_hand": all(present(known, file.name) for file in known.files),
            "licence": known.licence,
        }
        for known in CARDS.values()
    ]
    if options.json:
        say_json(rows)
        return 0
    cells = [
        [str(row["name"]), "yes" if row["at_hand"] else "no", str(row["classes"]), str(row["title"])] for row in rows
    ]
    say(table(["name", "at hand", "classes", "title"], cells))
    return 0


def _fetch(words: Sequence[str]) -> int:
    options = parse(FetchOptions, "data fetch NAME [options]", words)
    from penstroke.cli.progress import Downloads
    from penstroke.data import card
    from penstroke.data.fetch import obtain

    return _say_paths(obtain(card(options.name), progress=Downloads()), options.json, "nothing to fetch: it is bundled")


def _import(words: Sequence[str]) -> int:
    options = parse(ImportOptions, "data import NAME FOLDER [options]", words)
    from penstroke.data import card
    from penstroke.data.fetch import bring

    return _say_paths(bring(card(options.name), options.folder), options.json, "nothing to import: it is bundled")


def _say_paths(paths: dict[str, Path], as_json: bool, when_none: str) -> int:
    if as_json:
        say_json({name: str(path) for name, path in paths.items()})
        return 0
    for path in paths.values():
        say(f"checked: {path}")
    if not paths:
        say(when_none)
    return 0


def _info(words: Sequence[str]) -> int:
    options = parse(InfoOptions, "data info [NAME or FOLDER] [options]", words)
    from penstroke.cli.progress import Downloads
    from penstroke.data import load
    from penstroke.data.sources import describe

    found = describe(load(options.data, progress=Downloads()))
    if options.json:
        say_json(found)
        return 0
    for note in found["notes"]:
        warn(note)
    shape = "x".join(str(side) for side in found["image_shape"])
    say(f"{found['name']}: {found['title']}")
    say(f"{found['train']['images']} training images of {shape} (channels x height x width)")
    say(f"pixel mean {found['mean']:.4f}, deviation {found['std']:.4f}, in 0..1, over the training images")
    say(f"licence: {found['licence']}")
    if found["homepage"]:
        say(f"home: {found['homepage']}")
    say(table(["class", "training images"], [[k, str(n)] for k, n in found["train"]["per_class"].items()]))
    return 0
