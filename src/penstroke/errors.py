"""Errors that a user can cause and fix, each with the exit code of the command line.

Every error states the problem (the thing, its value, the rule) in ``message`` and the solution in ``remedy``. Only
``penstroke.cli`` prints errors. This module depends on the standard library alone.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any


class PenstrokeError(ValueError):
    """Base class of the errors that a user can cause and fix.

    Args:
        message: the thing, its value and the rule that it breaks, as one sentence.
        remedy: how to fix it, as one sentence.
    """

    kind = "error"
    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def to_json(self) -> dict[str, str]:
        """Return plain JSON values."""
        return {"kind": self.kind, "message": self.message, "remedy": self.remedy}

    @staticmethod
    def from_json(values: dict[str, str]) -> "PenstrokeError":
        """Return the error that ``to_json`` described, of the class of its kind."""
        kinds: list[type[PenstrokeError]] = [PenstrokeError]
        for kind in kinds:
            kinds += kind.__subclasses__()
        matching = next((kind for kind in kinds if kind.kind == values["kind"]), PenstrokeError)
        error = matching.__new__(matching)
        PenstrokeError.__init__(error, values["message"], values["remedy"])  # subclasses have other constructors
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses have constructors with other arguments, so pickling copies the attributes.
        return type(self).__new__, (type(self), self.message, self.remedy), self.__dict__

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class UsageError(PenstrokeError):
    """A command, option, recipe or argument is invalid (exit code 2)."""

    kind = "usage"
    exit_code = 2


class MissingExtraError(PenstrokeError):
    """A package of an optional extra is missing or cannot be imported (exit code 2).

    Args:
        extra: the extra that installs the package, such as ``train``.
        problem: what is missing, as one sentence.
    """

    kind = "missing-extra"
    exit_code = 2

    def __init__(self, extra: str, problem: str = "This needs packages that are not installed.") -> None:
        super().__init__(problem, f'Install the extra with `pip install "penstroke[{extra}]"`.')
        self.extra = extra


class DataError(PenstrokeError):
    """A dataset, one of its files, or a picture is missing or invalid (exit code 3)."""

    kind = "data"
    exit_code = 3


class EmptyPicture(DataError):
    """No symbol is found in a picture: a blank page, one uniform colour, only light and shadow (exit code 3).

    Args:
        reason: what was found instead, as a clause.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"No symbol was found in the picture: {reason}.",
            "Use a picture in which pen strokes stand out from the paper.",
        )
        self.reason = reason


class ModelError(PenstrokeError):
    """A model file or a network is missing or invalid (exit code 4)."""

    kind = "model"
    exit_code = 4


class RunError(PenstrokeError):
    """A run folder is missing, invalid or in use (exit code 4)."""

    kind = "run"
    exit_code = 4


class StorageError(PenstrokeError):
    """A file or folder cannot be written: full disk, missing permission, read-only disk (exit code 4)."""

    kind = "storage"
    exit_code = 4


class ProcessError(PenstrokeError):
    """Another process of the same training has ended or does not answer (exit code 4)."""

    kind = "process"
    exit_code = 4


class CheckFailed(PenstrokeError):
    """A check failed: an exported file differs from its model, or a result is below a limit (exit code 5)."""

    kind = "check"
    exit_code = 5


def require_extra(extra: str, *modules: str) -> None:
    """Import ``modules`` to check that the packages of an optional extra are usable.

    Args:
        extra: the extra that installs them, such as ``train``.
        modules: names of modules, such as ``torch``.

    Raises:
        MissingExtraError: a module cannot be imported; the message names it.
    """
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            missing = error.name or module
            raise MissingExtraError(extra, f"This needs the package {missing}, which is not installed.") from error
        except (ImportError, OSError) as error:  # OSError: a shared library is missing
            raise MissingExtraError(extra, f"The package {module} cannot be imported: {error}.") from error


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint for the end of a remedy: the known word that is most similar to ``word``, and all known words."""
    names = sorted(known)
    match = get_close_matches(word.lower(), names, n=1, cutoff=0.5)
    hint = f"Did you mean {match[0]!r}? " if match else ""
    return f"{hint}Known: {', '.join(names)}."
