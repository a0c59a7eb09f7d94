"""The options that several commands share, each defined once, and the conversion of arguments to numbers."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter, Token

from penstroke.errors import UsageError, nearest

ARGUMENTS = Group("Arguments", sort_key=0)
OPTIONS = Group("Options", sort_key=2)


def integer(token: Token) -> int:
    """Return a command-line argument as a whole number.

    Raises:
        UsageError: the argument is not a whole number.
    """
    try:
        return int(token.value)
    except ValueError:
        raise UsageError(f"{token.keyword} is {token.value!r}: it must be a whole number.") from None


def number(token: Token) -> float:
    """Return a command-line argument as a number.

    Raises:
        UsageError: the argument is not a number.
    """
    try:
        return float(token.value)
    except ValueError:
        raise UsageError(f"{token.keyword} is {token.value!r}: it must be a number.") from None


def integer_from(smallest: int, largest: int | None = None) -> Callable[[Any, Sequence[Token]], int]:
    """Return a converter for whole numbers between two limits, both included."""
    rule = f"at least {smallest}" if largest is None else f"from {smallest} to {largest}"

    def convert(type_: Any, tokens: Sequence[Token]) -> int:  # noqa: ARG001 - the signature of a converter
        value = integer(tokens[0])
        if value < smallest or (largest is not None and value > largest):
            raise UsageError(f"{tokens[0].keyword} is {value}: it must be {rule}.")
        return value

    return convert


def number_from(smallest: float, largest: float) -> Callable[[Any, Sequence[Token]], float]:
    """Return a converter for numbers between two limits, both included."""

    def convert(type_: Any, tokens: Sequence[Token]) -> float:  # noqa: ARG001 - the signature of a converter
        value = number(tokens[0])
        if not smallest <= value <= largest:
            raise UsageError(f"{tokens[0].keyword} is {value:g}: it must be from {smallest:g} to {largest:g}.")
        return value

    return convert


def _device(type_: Any, tokens: Sequence[Token]) -> str:  # noqa: ARG001 - the signature of a converter
    """Return the name of a device whose kind is known; its availability is checked when it is used."""
    from penstroke.runtime import DEVICES

    name = tokens[0].value
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        raise UsageError(
            f"--device is {name!r}, which is unknown.", nearest("cuda" if kind == "gpu" else kind, DEVICES)
        )
    return name


RunArgument = Annotated[
    Path | None,
    Parameter(
        name="run",
        help="Run folder, model file, ONNX file, ready, or several as A+B.",
        show_default="the latest run, then ready",
    ),
]
PictureArgument = Annotated[Path, Parameter(name="picture", help="Picture files.")]
PicturesArgument = Annotated[
    Path, Parameter(name="picture", help="Picture files, folders, or quoted patterns such as 'scans/*.png'.")
]

Json = Annotated[
    bool,
    Parameter(name="--json", help="Print the result as JSON.", negative="", show_default=False, allow_repeating=True),
]
Device = Annotated[
    str, Parameter(name="--device", help="auto, cpu, cuda, cuda:1, mps or xpu.", metavar="NAME", converter=_device)
]
Threads = Annotated[
    int | None,
    Parameter(
        name="--threads",
        help="Threads on the CPU.",
        show_default="one per core",
        metavar="INT",
        converter=integer_from(1, 1024),
    ),
]
DATA_HELP = "auto, the name of a dataset (see `penstroke data list`), a folder, a table or .npz (docs/folders.md)."
Data = Annotated[
    str | None,
    Parameter(name="--data", help=DATA_HELP, metavar="DATA", show_default="the data of the training"),
]


def _size(type_: Any, tokens: Sequence[Token]) -> tuple[int, int]:  # noqa: ARG001 - the signature of a converter
    """Return a width and a height in pixels from ``32`` or ``48x32``."""
    value = tokens[0].value
    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and len(side) < 5 and 1 <= int(side) <= 4096 for side in sides):
        raise UsageError(
            f"--size is {value!r}: it must be a number of pixels from 1 to 4096, or two, as in 48x32.",
            "Give the side of a square, or width x height.",
        )
    return int(sides[0]), int(sides[-1])


Size = Annotated[
    tuple[int, int] | None,
    Parameter(
        name="--size",
        help="Size of the images of your own data, in pixels: 32, or width x height as 48x32.",
        metavar="SIZE",
        show_default="chosen by the pictures",
        converter=_size,
        n_tokens=1,
    ),
]
SkipBroken = Annotated[
    bool,
    Parameter(
        name="--skip-broken",
        help="Leave out pictures of your own data that cannot be read, and name them.",
        negative="",
        show_default=False,
    ),
]


def duration(type_: Any, tokens: Sequence[Token]) -> float:  # noqa: ARG001 - the signature of a converter
    """Return the seconds of ``90s``, ``10m`` or ``1.5h``.

    Raises:
        UsageError: the argument is not a duration.
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh])", tokens[0].value.strip().lower())
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise UsageError(
            f"{tokens[0].keyword} is {tokens[0].value!r}: it must be a time above 0.", "Give it as 90s, 10m or 1.5h."
        )
    return seconds


MEGAPIXEL = 1_000_000
Megapixels = Annotated[
    int,
    Parameter(
        name="--megapixels",
        help="Size limit of a picture; larger files are rejected before they are decoded.",
        metavar="INT",
        converter=integer_from(1, 178),  # the limit of Pillow
    ),
]
