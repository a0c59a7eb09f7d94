"""The application, made of the commands in ``commands.py``, and the entry point."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, cast

from cyclopts import App, CycloptsError

from penstroke import __version__
from penstroke.cli.commands import COMMANDS
from penstroke.cli.help_page import help_page
from penstroke.cli.options import ARGUMENTS, OPTIONS
from penstroke.cli.output import Result, print_bug, print_error, print_result, say
from penstroke.cli.usage_errors import usage_error
from penstroke.errors import PenstrokeError, UsageError

if TYPE_CHECKING:
    from rich.console import Console


_EPILOGUE = """\
RUN is a run folder, a model file, an ONNX file made by `penstroke export`, or
`ready`, the bundled model of digits. The default is the latest run in ./runs
that has a model, or else `ready`.

Environment variables:
  PENSTROKE_DATA       folder of the datasets
  PENSTROKE_MIRROR     base URL that datasets are downloaded from first
  PENSTROKE_OFFLINE=1  disable downloads"""

_FLAGS = (
    ("-h, --help", "Print this help."),
    ("--install-completion", "Install tab completion for bash, zsh or fish."),
    ("--version", "Print the version."),
)

app = App(
    name="penstroke",
    help="Train, test and use classifiers of small images, handwritten digits first.",
    help_epilogue=_EPILOGUE,
    usage="penstroke COMMAND [OPTIONS]",
    version=f"penstroke {__version__}",
    version_format="plaintext",
    group_parameters=OPTIONS,
    group_arguments=ARGUMENTS,
    error_console=cast("Console", object()),  # a placeholder: errors are printed by `output`, without rich
    print_error=False,
    exit_on_error=False,
    result_action="return_value",
)
app.command(
    "penstroke.cli.completion:install_completion",
    name="--install-completion",
    help="Install tab completion for bash, zsh or fish.",
    usage="penstroke --install-completion [SHELL]",
)
for _command in COMMANDS:
    app.command(f"penstroke.cli.{_command.target}", name=_command.name, help=_command.help, **_command.settings)


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        PenstrokeError: an error that the user can fix.
    """
    options = words[: words.index("--")] if "--" in words else words
    help_words = {"help"}.intersection(words[:1]) | set(app.help_flags).intersection(options)
    if not words or help_words:
        say(_help([word for word in words if word not in help_words]))
        return 0 if words else UsageError.exit_code
    try:
        command, bound, _ = app.parse_args(words)
    except CycloptsError as error:
        raise usage_error(error) from error
    if command == app.help_print:  # a command of `penstroke data` is missing
        say(_help(words))
        return UsageError.exit_code
    result = command(*bound.args, **bound.kwargs)
    if isinstance(result, Result):
        print_result(result, as_json=bool(bound.arguments.get("json")))
        return result.exit_code
    return 0


def _help(words: Sequence[str]) -> str:
    """Return the help of the command that ``words`` begin with."""
    _, (*_, command), _ = app.parse_commands(words)
    if command is app:
        return help_page(app, [(each.name, each.summary) for each in COMMANDS], _FLAGS)
    return help_page(command, [(name, command[name].help) for name in command if not name.startswith("-")])


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    The exit codes are 0 for success, 1 for a bug, 2 for usage, 3 for data, 4 for a model, run or disk, 5 for a failed
    check, 130 for SIGINT and 143 for SIGTERM.

    Args:
        words: the arguments, by default those of the process.
    """
    words = sys.argv[1:] if words is None else list(words)
    as_json = "--json" in words
    signal.signal(signal.SIGTERM, _exit_on_signal)
    try:
        code = run(words)
    except PenstrokeError as error:
        print_error(error, as_json=as_json)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 - the last resort: an unexpected exception is a bug
        print_bug(error, as_json=as_json)
        code = 1
    sys.exit(code)


def _exit_on_signal(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    sys.exit(128 + number)
