"""What ``--data`` names: a dataset, and with ``mnist+FOLDER`` also a folder of corrections. NumPy is not imported."""

from pathlib import Path

from penstroke.data.catalog import CARDS


def split_source(source: str | Path) -> tuple[str | Path, str]:
    """Return the source of a dataset without a folder of corrections, and that folder; empty if there is none.

    A source that exists as a file or folder has none, whatever its name is.
    """
    if not isinstance(source, str) or "+" not in source or _exists(source):
        return source, ""
    places = [place for place, letter in enumerate(source) if letter == "+"]
    known = [place for place in places if source[:place] in ("auto", *CARDS) or _exists(source[:place])]
    place = (known or places)[0]
    return source[:place], source[place + 1 :]


def _exists(name: str) -> bool:
    try:
        return bool(name) and Path(name).expanduser().exists()
    except (OSError, RuntimeError, ValueError):  # a name that is too long, or the home folder of nobody
        return False
