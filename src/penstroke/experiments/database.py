"""Studies in a database, which processes on many machines share. Imports Optuna and SQLAlchemy."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from penstroke.errors import MissingExtraError, RunError

_POSTGRESQL = re.compile(r"^postgres(ql)?://")


def open_database(url: str) -> RDBStorage:
    """Return Optuna's storage in a database.

    Args:
        url: as SQLAlchemy defines it, such as ``postgresql://USER@HOST/NAME``. Messages leave out its password.

    Raises:
        RunError: the URL is invalid, or the database does not answer or has tables of another version of Optuna.
        MissingExtraError: the driver of the database is missing.
    """
    try:
        # The extra installs this driver; the one that SQLAlchemy expects needs a compiler.
        parsed = sqlalchemy.make_url(_POSTGRESQL.sub("postgresql+psycopg://", url))
    except sqlalchemy.exc.ArgumentError as error:
        raise RunError(
            "The URL of the database is invalid.", "Give one such as postgresql://USER:PASSWORD@HOST/NAME."
        ) from error
    shown = parsed.render_as_string(hide_password=True)
    try:
        # Trials take seconds or more: no connection stays open between two messages.
        options = {"poolclass": sqlalchemy.pool.NullPool}
        return RDBStorage(parsed.render_as_string(hide_password=False), engine_kwargs=options)
    except ImportError as error:
        raise MissingExtraError("tune", f"The driver of the database {shown} is missing: {error}.") from error
    except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        raise RunError(
            f"The database {shown} cannot be used: {_reason(error)}.", "Check its address, its user and that it runs."
        ) from error


@contextmanager
def connected() -> Iterator[None]:
    """Convert the exceptions of Optuna for a database that stops answering within the block.

    Raises:
        RunError: with the reason.
    """
    try:
        yield
    except StorageInternalError as error:
        raise RunError(
            f"The database of the study stopped answering: {_reason(error.__cause__ or error)}.",
            "Check that it runs, and run the same command again to continue.",
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of the message of the database's driver."""
    return str(getattr(error, "orig", None) or error).strip().splitlines()[0]
