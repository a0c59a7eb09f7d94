"""The command line. Only this package prints results and exits; importing it imports neither torch nor NumPy."""

from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]


def main(words: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: see ``penstroke.cli.app.main``."""
    try:
        from penstroke.cli import app
    except KeyboardInterrupt:  # Ctrl-C while the program starts
        raise SystemExit(130) from None
    app.main(words)
