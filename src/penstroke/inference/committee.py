"""The backend and the description of a source: of one model, or of a committee such as ``runs/a+runs/b``."""

from pathlib import Path

from penstroke.inference.backends import BackendOpener, choose_backend
from penstroke.inference.backends.committee import CommitteeOpener
from penstroke.inference.source import describe, members_of, model_path
from penstroke.models.committee import committee_description
from penstroke.models.description import Description


def open_source(
    source: str | Path, backend: str, device: str, threads: int | None
) -> tuple[BackendOpener, Description]:
    """Return the backend of a model or committee, which is not opened, and its description.

    Args:
        source: see ``Classifier.load``.
        backend: see ``choose_backend``, for each member.
        device: see ``choose_backend``, for each member.
        threads: see ``choose_backend``, for each member.

    Raises:
        RunError, ModelError, UsageError: see ``Classifier.load``.
    """
    members = members_of(source)
    if not members:
        path = model_path(source)
        return choose_backend(path, backend, device, threads), describe(path)
    openers, descriptions = zip(*(open_source(member, backend, device, threads) for member in members), strict=True)
    description = committee_description(dict(zip(members, descriptions, strict=True)))
    return CommitteeOpener(openers, description, device), description
