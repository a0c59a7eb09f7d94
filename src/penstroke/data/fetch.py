"""Find a dataset's files on disk, or download them. A file is used only if its size and SHA-256 are those of the card.

Files are searched at ``<data folder>/<card>/<file>``, then at ``<data folder>/<file>``, and downloaded from
``PENSTROKE_MIRROR``, then from the card's mirrors. This module does not depend on the format of the files.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.data.transfer import FetchError, Hosts, Progress, kind_of, read_body
from penstroke.errors import DataError, StorageError, UsageError
from penstroke.storage import PARTIAL, explained, make_folder, remove_file, replacing, set_aside
from penstroke.storage.untrusted import open_plain, reason

LOCK_REPORT_DELAY = 3.0  # seconds after which waiting for the download of another process is reported

_MISSING = "missing"


def data_folder() -> Path:
    """Return the folder of the datasets: ``PENSTROKE_DATA``, or a folder in the user's cache. It may not exist yet."""
    configured = os.environ.get("PENSTROKE_DATA")
    return Path(configured).expanduser() if configured else user_cache_path("penstroke")


def cached(card: DatasetCard, name: str) -> bool:
    """Return whether a file of that name and size is where ``ensure`` searches. The file is not opened."""
    file = _file(card, name)
    for path in _locations(card, file):
        with suppress(OSError):
            if path.is_file() and path.stat().st_size == file.size:
                return True
    return False


def ensure(
    card: DatasetCard, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> dict[str, Path]:
    """Return the paths of files of a dataset, after downloading the missing ones and checking all of them.

    Args:
        card: the dataset.
        names: the files; by default all files of the card.
        progress: called for each piece that arrives, and while another process downloads the file.

    Returns:
        A path for each name. Size and SHA-256 of each file have just been checked.

    Raises:
        DataError: a file is neither on disk nor downloadable; the message lists the reason for each location.
        UsageError: ``PENSTROKE_MIRROR`` is not a base URL.
    """
    files = card.files if names is None else [_file(card, name) for name in names]
    hosts = Hosts()
    return {file.name: _ensure_file(card, file, hosts, progress) for file in files}


def import_files(card: DatasetCard, folder: Path) -> dict[str, Path]:
    """Copy a dataset's files from ``folder`` to the data folder, and return the paths of the copies.

    Raises:
        DataError: a file is missing in ``folder``, or its size or SHA-256 is not that of the card. Nothing is copied.
        StorageError: the data folder is not writable.
    """
    problems = [
        f"{folder / file.name}: {problem}" for file in card.files if (problem := _problem(folder / file.name, file))
    ]
    if problems:
        raise DataError(
            f"{folder} does not contain the files of {card.title}:{_bullets(problems)}\n", f"See {card.homepage}."
        )
    own = make_folder(data_folder() / card.name)
    for file in card.files:
        target = own / file.name
        with _locked(target, file, None), (folder / file.name).open("rb") as source, replacing(target) as copy:
            shutil.copyfileobj(source, copy)
    return ensure(card)


def _file(card: DatasetCard, name: str) -> RemoteFile:
    return next(file for file in card.files if file.name == name)


def _locations(card: DatasetCard, file: RemoteFile) -> list[Path]:
    """Return where a file may be: the card's folder, the data folder, the folders of cards that share this file."""
    root = data_folder()
    sharing = [other.name for other in CARDS.values() if file in other.files and other.name != card.name]
    return [root / card.name / file.name, root / file.name, *(root / name / file.name for name in sharing)]


def _ensure_file(card: DatasetCard, file: RemoteFile, hosts: Hosts, progress: Progress | None) -> Path:
    problems = []
    own, *others = _locations(card, file)
    for path in (own, *others):
        problem = _problem(path, file)
        if problem is None:
            return path
        if path == own or problem != _MISSING:
            problems.append(f"{path}: {problem}" + ("" if path == own else " (ignored)"))
    if os.environ.get("PENSTROKE_OFFLINE", "") not in ("", "0"):
        raise _unavailable(card, file, [*problems, "PENSTROKE_OFFLINE is set: nothing was downloaded"])
    try:
        make_folder(own.parent)
        with _locked(own, file, progress):
            # Another process may have downloaded it in the meantime.
            if (problem := _problem(own, file)) is None:
                return own
            if problem != _MISSING:
                problems.append(f"the invalid file was renamed to {set_aside(own).name}")
            _remove_partial(own)
            _download(card, file, own, problems, hosts, progress)
    except StorageError as error:
        raise _unavailable(card, file, [*problems, error.message]) from error
    return own


def _unavailable(card: DatasetCard, file: RemoteFile, problems: list[str]) -> DataError:
    return DataError(
        f"{card.title}: {file.name} is not cached and could not be downloaded:{_bullets(problems)}\n",
        "Put the dataset's files into a folder and set PENSTROKE_DATA to it, or set PENSTROKE_MIRROR to a "
        "base URL that has them, or use the bundled sample with --data mnist5k.",
    )


def _bullets(lines: list[str]) -> str:
    return "".join(f"\n  - {line}" for line in lines)


# ---- checks


def _problem(path: Path, file: RemoteFile) -> str | None:
    """Return what is wrong with the file at ``path``, or None if it is ``file``."""
    try:
        with open_plain(path) as content:
            size = os.fstat(content.fileno()).st_size
            if size != file.size:
                return f"{size} bytes of {kind_of(content.read(64))}, {file.size} expected"
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return reason(error)
    return _hash_problem(sha256, file)


def _hash_problem(sha256: str, file: RemoteFile) -> str | None:
    return None if sha256 == file.sha256 else f"the SHA-256 is {sha256}, {file.sha256} expected"


# ---- one download for many processes


@contextmanager
def _locked(path: Path, file: RemoteFile, progress: Progress | None) -> Iterator[None]:
    """Hold the lock of the file at ``path``; report through ``progress`` that another process holds it."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while not lock.is_locked:
        with explained(path), suppress(Timeout):
            lock.acquire(timeout=LOCK_REPORT_DELAY)
        if progress and not lock.is_locked:
            progress(f"{file.name} (waiting for another process that is downloading it)", 0, file.size)
    try:
        yield
    finally:
        lock.release()


def _remove_partial(path: Path) -> None:
    """Remove the partial files of processes that were killed while they downloaded the file at ``path``.

    Only the process that holds the lock of ``path`` may call this: then no other process writes such a file.
    """
    for partial in path.parent.glob(f".{path.name}.*{PARTIAL}"):
        remove_file(partial)


def _addresses(card: DatasetCard, file: RemoteFile) -> list[str]:
    """Return the URLs to try, in order. The user's own mirror may or may not have a folder for each card."""
    bases = list(card.mirrors)
    if mirror := os.environ.get("PENSTROKE_MIRROR", "").strip().rstrip("/"):
        if not mirror.startswith(("http://", "https://")) or not urlsplit(mirror).hostname:
            raise UsageError(
                f"PENSTROKE_MIRROR is {mirror!r}; it must be an http or https base URL.",
                "Set it to a URL such as https://example.org/datasets, or unset it.",
            )
        bases = [f"{mirror}/{card.name}/", f"{mirror}/", *bases]
    return [urljoin(base, file.name) for base in bases]


def _download(
    card: DatasetCard,
    file: RemoteFile,
    target: Path,
    problems: list[str],
    hosts: Hosts,
    progress: Progress | None,
) -> None:
    """Write ``file`` to ``target`` from the first URL that returns it complete and correct."""
    addresses = _addresses(card, file)
    hosts.probe(addresses)
    for url in addresses:
        try:
            with replacing(target) as content:
                digest = hashlib.sha256()
                for chunk in read_body(url, file, hosts, progress):
                    digest.update(chunk)
                    content.write(chunk)
                if problem := _hash_problem(digest.hexdigest(), file):
                    raise FetchError(problem)
            return
        except FetchError as error:
            problems.append(f"{url}: {error}")
    raise _unavailable(card, file, problems)
