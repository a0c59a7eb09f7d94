"""The one family of errors that a user can cause, each with its exit code.

Every error says what is wrong (the thing, its value, the rule) in ``message`` and what to do about it in
``remedy``. Only ``cli`` prints them; this file knows nothing of terminals, and imports nothing heavy.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class PenstrokeError(ValueError):
    """A fault that a user can cause and mend.

    Args:
        message: the thing, its value and the rule that it breaks, as one sentence.
        remedy: what to do about it, as one sentence.
    """

    kind = "error"
    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class UsageError(PenstrokeError):
    """A command, option, recipe or argument that cannot be (exit code 2)."""

    kind = "usage"
    exit_code = 2


class DataError(PenstrokeError):
    """A dataset, a file of one, or a picture that cannot be used (exit code 3)."""

    kind = "data"
    exit_code = 3


class ModelError(PenstrokeError):
    """A model file or a network that cannot be used (exit code 4)."""

    kind = "model"
    exit_code = 4


class RunError(PenstrokeError):
    """A run folder that cannot be used or written (exit code 4)."""

    kind = "run"
    exit_code = 4


class StorageError(PenstrokeError):
    """A file or folder that cannot be written: no room, no permission, a read-only disk (exit code 4)."""

    kind = "storage"
    exit_code = 4


class CheckFailed(PenstrokeError):
    """A check that the user asked for, and that did not pass (exit code 5)."""

    kind = "check"
    exit_code = 5


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word nearest to ``word``, and all of them: the end of a remedy."""
    names = sorted(known)
    match = get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {match[0]!r}? " if match else ""
    return f"{hint}Known: {', '.join(names)}."
