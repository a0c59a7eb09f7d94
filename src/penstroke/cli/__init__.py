"""The command line: verbs to functions. Only this package prints results and exits; none of it imports torch early."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn

from penstroke import __version__
from penstroke.cli.output import print_bug, print_error, say
from penstroke.errors import PenstrokeError, UsageError, nearest

VERBS = {
    "train": ("train", "train a recipe, measure it, keep everything in a run folder"),
    "test": ("test", "loss, accuracy with its interval, and a table of the classes"),
    "show": ("show", "test images with prediction and truth, as PNG and in the terminal"),
    "predict": ("predict", "say what pictures of your own show"),
    "read": ("read", "read all digits in pictures of your own, in lines"),
    "data": ("data", "datasets: list, fetch, info, import"),
    "import": ("weights", "make a run of weights that others saved from this exercise"),
}
"""Each verb's module in this package and what it does. A module has ``run(arguments) -> exit code``."""


def overview() -> str:
    """Return the help of the whole command."""
    rows = "\n".join(f"  {verb:<9}{summary}" for verb, (_, summary) in VERBS.items())
    return (
        "usage: penstroke VERB [RUN] [options]\n\n"
        "Train, test and use classifiers of small images, handwritten digits first.\n\n"
        f"verbs:\n{rows}\n\n"
        "  penstroke VERB --help   all options of a verb\n"
        "  penstroke --version     the version\n\n"
        "RUN is a run folder or a model file; left out, it is the latest run in ./runs.\n"
        "PENSTROKE_DATA names the folder with datasets, PENSTROKE_MIRROR a base URL to fetch them from first,\n"
        "PENSTROKE_OFFLINE=1 forbids the network."
    )


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        PenstrokeError: a fault that the user can mend.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(overview())
        return 0 if arguments else UsageError.exit_code
    verb, *rest = arguments
    if verb == "--version":
        say(f"penstroke {__version__}")
        return 0
    if verb not in VERBS:
        raise UsageError(f"There is no verb {verb!r}.", nearest(verb, VERBS))
    return int(import_module(f"penstroke.cli.{VERBS[verb][0]}").run(rest))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 a bug, 2 usage, 3 data, 4 model or run, 5 check, 130, 143 signals."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = run(arguments)
    except PenstrokeError as fault:
        print_error(fault, as_json)
        code = fault.exit_code
    except KeyboardInterrupt:
        code = 130
    except Exception as fault:  # noqa: BLE001 - the last resort: a bug of ours, said as one
        print_bug(fault, as_json)
        code = 1
    sys.exit(code)


def _terminated(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a handler gets
    sys.exit(128 + number)
