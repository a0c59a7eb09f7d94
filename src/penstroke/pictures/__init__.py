"""Pictures of handwriting, from any file to the 28 x 28 pixels that a network knows.

Each name is imported when it is first asked for: SciPy, which finding ink needs, is slow to import. ``prepare`` and
``segment`` are asked for in the files of their names, which as names of this package mean those files.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstroke.pictures.basics import EmptyPicture, Stage
    from penstroke.pictures.files import decode_picture, open_picture
    from penstroke.pictures.prepare import prepare_with_stages

__all__ = ["EmptyPicture", "Stage", "decode_picture", "open_picture", "prepare_with_stages"]

_HOMES = {
    "EmptyPicture": "basics",
    "Stage": "basics",
    "decode_picture": "files",
    "open_picture": "files",
    "prepare_with_stages": "prepare",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"penstroke.pictures.{_HOMES[name]}"), name)
