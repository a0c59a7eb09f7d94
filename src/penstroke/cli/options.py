"""The options that several commands share, each defined once, and the conversion of arguments to numbers."""

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
        name="run", help="Run folder, model file, ONNX file or ready.", show_default="the latest run, then ready"
    ),
]
PictureArgument = Annotated[Path, Parameter(name="picture", help="Picture files.")]

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
DATA_HELP = "auto, the name of a dataset (see `penstroke data list`), or a folder."
Data = Annotated[
    str | None,
    Parameter(name="--data", help=DATA_HELP, metavar="DATA", show_default="the data of the training"),
]
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
