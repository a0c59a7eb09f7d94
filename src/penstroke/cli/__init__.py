"""The command line. Only this package prints results and exits; importing it imports neither torch nor NumPy."""

from penstroke.cli.app import main

__all__ = ["main"]
