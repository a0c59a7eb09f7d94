"""Find a dataset's files on the disk, or fetch them; nothing passes whose size or hash is not the card's.

They are looked for at ``<data folder>/<card>/<file>``, then ``<data folder>/<file>``, and fetched from
``PENSTROKE_MIRROR``, then the card's mirrors. This file knows nothing of what is in them, and prints nothing.
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
from penstroke.data.transfer import FetchError, Network, Progress, expected_size, kind_of, read_body
from penstroke.errors import DataError, StorageError, UsageError
from penstroke.storage import explained, make_folder, replacing, set_aside
from penstroke.untrusted import open_plain, reason

LOCK_PATIENCE = 3.0  # seconds before saying that another process is fetching

_MISSING = "missing"


def data_folder() -> Path:
    """Return where datasets live: ``PENSTROKE_DATA``, or the user's cache folder. It need not exist yet."""
    named = os.environ.get("PENSTROKE_DATA")
    return Path(named).expanduser() if named else user_cache_path("penstroke")


def present(card: DatasetCard, name: str) -> bool:
    """Tell whether a file of that name and size lies where ``obtain`` looks, without opening it."""
    file = _file(card, name)
    for path in _places(card, file):
        with suppress(OSError):
            if path.is_file() and file.size in (None, path.stat().st_size):
                return True
    return False


def obtain(
    card: DatasetCard, names: Sequence[str] | None = None, *, progress: Progress | None = None
) -> dict[str, Path]:
    """Return where files of a dataset are, checked just now, after fetching those that are missing.

    Args:
        card: which dataset.
        names: which of its files; all, if None.
        progress: told of every piece that arrives, and of waiting for another process that fetches it.

    Returns:
        A path for each name. Each file's size and hash were right a moment ago.

    Raises:
        DataError: a file is neither at hand nor to be had; the message lists every fault of every place.
        UsageError: ``PENSTROKE_MIRROR`` is no base URL.
    """
    wanted = card.files if names is None else [_file(card, name) for name in names]
    network = Network()
    return {file.name: _obtain_one(card, file, network, progress) for file in wanted}


def bring(card: DatasetCard, folder: Path) -> dict[str, Path]:
    """Copy a dataset's files from ``folder`` to where ``obtain`` looks, and return where they are.

    Raises:
        DataError: a file is missing there, or is not the card's; then none is copied.
        StorageError: the data folder cannot be written.
    """
    faults = [f"{folder / file.name}: {fault}" for file in card.files if (fault := _fault_of(folder / file.name, file))]
    if faults:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        raise DataError(f"{folder} does not hold the files of {card.title}:{lines}\n", f"See {card.homepage}.")
    own = make_folder(data_folder() / card.name)
    for file in card.files:
        target = own / file.name
        with _only_one(target, file, None), (folder / file.name).open("rb") as source, replacing(target) as copy:
            shutil.copyfileobj(source, copy)
    return obtain(card)


def _file(card: DatasetCard, name: str) -> RemoteFile:
    return next(file for file in card.files if file.name == name)


def _places(card: DatasetCard, file: RemoteFile) -> list[Path]:
    """Where a file may lie: the card's folder, the root, the folders of cards that share this very file."""
    root = data_folder()
    sharing = [known.name for known in CARDS.values() if file in known.files and known.name != card.name]
    return [root / card.name / file.name, root / file.name, *(root / name / file.name for name in sharing)]


def _obtain_one(card: DatasetCard, file: RemoteFile, network: Network, progress: Progress | None) -> Path:
    faults = []
    own, *others = _places(card, file)
    for path in (own, *others):
        fault = _fault_of(path, file)
        if fault is None:
            return path
        if path == own or fault != _MISSING:
            faults.append(f"{path}: {fault}" + ("" if path == own else " (passed over)"))
    if os.environ.get("PENSTROKE_OFFLINE", "") not in ("", "0"):
        raise _not_to_be_had(card, file, [*faults, "PENSTROKE_OFFLINE is set: no mirror was asked"])
    try:
        make_folder(own.parent)
        with _only_one(own, file, progress):
            # Another process may have fetched it since we looked.
            if (fault := _fault_of(own, file)) is None:
                return own
            if fault != _MISSING:
                faults.append(f"the bad file was kept as {set_aside(own).name}")
            _clear(own)
            _fetch(card, file, own, faults, network, progress)
    except StorageError as fault:
        raise _not_to_be_had(card, file, [*faults, fault.message]) from fault
    return own


def _not_to_be_had(card: DatasetCard, file: RemoteFile, faults: list[str]) -> DataError:
    lines = "".join(f"\n  - {fault}" for fault in faults)
    return DataError(
        f"{card.title}: {file.name} is not at hand and could not be fetched:{lines}\n",
        "Put the dataset's files into a folder and set PENSTROKE_DATA to it, or set PENSTROKE_MIRROR to a "
        "base URL that has them, or use the bundled sample with --data mnist5k.",
    )


# ---- checking


def _fault_of(path: Path, file: RemoteFile) -> str | None:
    """Return what is wrong with the file at ``path``, or None if it is ``file``."""
    try:
        with open_plain(path) as content:
            size = os.fstat(content.fileno()).st_size
            if size > file.cap or file.size not in (None, size):
                return f"{size} bytes of {kind_of(content.read(64))}, {expected_size(file)} expected"
            came = hashlib.file_digest(content, lambda: _hash(file)).hexdigest()
    except FileNotFoundError:
        return _MISSING
    except OSError as fault:
        return reason(fault)
    return _hash_fault(came, file)


def _hash(file: RemoteFile) -> "hashlib._Hash":
    return hashlib.new("sha256" if file.sha256 else "md5", usedforsecurity=False)


def _hash_fault(came: str, file: RemoteFile) -> str | None:
    expected = file.sha256 or file.md5
    assert expected, f"the card of {file.name} has no hash: nothing could vouch for the file"
    kind = "SHA-256" if file.sha256 else "MD5"
    return None if came == expected else f"{kind} {came} came, {expected} expected"


# ---- one download for many processes


@contextmanager
def _only_one(path: Path, file: RemoteFile, progress: Progress | None) -> Iterator[None]:
    """Hold the lock of the file at ``path``; say so through ``progress`` while another process holds it."""
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    while not lock.is_locked:
        with explained(path), suppress(Timeout):
            lock.acquire(timeout=LOCK_PATIENCE)
        if progress and not lock.is_locked:
            progress(f"{file.name} (waiting for another process that is fetching it)", 0, file.size)
    try:
        yield
    finally:
        lock.release()


def _clear(path: Path) -> None:
    """Remove what processes that were killed while they fetched the file at ``path`` left beside it.

    Only who holds its lock may: nobody else is writing it then.
    """
    for partial in path.parent.glob(f".{path.name}.*.partial"):
        with suppress(OSError):
            partial.unlink()


def _addresses(card: DatasetCard, file: RemoteFile) -> list[str]:
    """Every address to try, best first; the user's own mirror may or may not have a folder for each card."""
    bases = list(card.mirrors)
    if named := os.environ.get("PENSTROKE_MIRROR", "").strip().rstrip("/"):
        if not named.startswith(("http://", "https://")) or not urlsplit(named).hostname:
            raise UsageError(f"PENSTROKE_MIRROR is {named!r}; it must be an http or https base URL.")
        bases = [f"{named}/{card.name}/", f"{named}/", *bases]
    return [urljoin(base, file.name) for base in bases]


def _fetch(
    card: DatasetCard,
    file: RemoteFile,
    target: Path,
    faults: list[str],
    network: Network,
    progress: Progress | None,
) -> None:
    """Put ``file`` at ``target`` from the first address that gives it whole and right."""
    addresses = _addresses(card, file)
    network.probe(addresses)
    for url in addresses:
        try:
            with replacing(target) as content:
                digest = _hash(file)
                for chunk in read_body(url, file, network, progress):
                    digest.update(chunk)
                    content.write(chunk)
                if fault := _hash_fault(digest.hexdigest(), file):
                    raise FetchError(fault)
            return
        except FetchError as fault:
            faults.append(f"{url}: {fault}")
    raise _not_to_be_had(card, file, faults)
