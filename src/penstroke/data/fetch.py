"""Find a dataset's files on the disk, or fetch them; nothing passes whose size or hash is not the card's.

They are looked for at ``<data folder>/<card>/<file>``, then ``<data folder>/<file>``, and fetched from
``PENSTROKE_MIRROR``, then the card's mirrors. This file knows nothing of what is in them, and prints nothing.
"""

import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.errors import DataError, StorageError, UsageError
from penstroke.storage import explained, make_folder, replacing, set_aside

if TYPE_CHECKING:
    from requests import Response

# Seconds. That nothing can be reached is known after PROBE_LIMIT, whatever hangs.
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
PROBE_LIMIT = 6.0
ANSWER_LIMIT = 15.0  # for all headers of one answer, even if they come byte by byte
STALL_LIMIT = 30.0  # in every such span at least STALL_BYTES of the body must come
STALL_BYTES = 32_768
LOCK_PATIENCE = 3.0  # before saying that another process is fetching
MAX_REDIRECTS = 5
CHUNK = 1 << 18  # bytes

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far, and its size where that is known."""

_MISSING = "missing"


class _FetchError(Exception):
    """An address could not give a file; the text says why. Never leaves this module."""


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
    network = _Network()
    return {file.name: _obtain_one(card, file, network, progress) for file in wanted}


def _file(card: DatasetCard, name: str) -> RemoteFile:
    return next(file for file in card.files if file.name == name)


def _places(card: DatasetCard, file: RemoteFile) -> list[Path]:
    """Where a file may lie: the card's folder, the root, the folders of cards that share this very file."""
    root = data_folder()
    sharing = [known.name for known in CARDS.values() if file in known.files and known.name != card.name]
    return [root / card.name / file.name, root / file.name, *(root / name / file.name for name in sharing)]


def _obtain_one(card: DatasetCard, file: RemoteFile, network: "_Network", progress: Progress | None) -> Path:
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
        size = path.stat().st_size
        with path.open("rb") as content:
            if size > file.cap or file.size not in (None, size):
                return f"{size} bytes of {_kind(content.read(64))}, {_expected_size(file)} expected"
            came = hashlib.file_digest(content, lambda: _hash(file)).hexdigest()
    except FileNotFoundError:
        return _MISSING
    except OSError as fault:
        return os.strerror(fault.errno) if fault.errno else str(fault)
    return _hash_fault(came, file)


def _hash(file: RemoteFile) -> "hashlib._Hash":
    return hashlib.new("sha256" if file.sha256 else "md5", usedforsecurity=False)


def _hash_fault(came: str, file: RemoteFile) -> str | None:
    expected = file.sha256 or file.md5
    assert expected, f"the card of {file.name} has no hash: nothing could vouch for the file"
    kind = "SHA-256" if file.sha256 else "MD5"
    return None if came == expected else f"{kind} {came} came, {expected} expected"


def _expected_size(file: RemoteFile) -> str:
    return f"at most {file.cap}" if file.size is None else str(file.size)


def _kind(head: bytes) -> str:
    """Return what bytes that begin like ``head`` seem to be, in words."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip data"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML or XML page"
    return "other data"


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


# ---- the network


class _Network:
    """Knows which hosts answer; asks each only once, and those of all mirrors at the same time."""

    def __init__(self) -> None:
        self._faults: dict[tuple[str, int], str | None] = {}

    def probe(self, urls: Sequence[str]) -> None:
        """Find out which hosts of ``urls`` can be connected to, within PROBE_LIMIT seconds in all."""
        hosts = {host for url in urls if (host := _host(url)) not in self._faults}
        answers: SimpleQueue[tuple[tuple[str, int], str | None]] = SimpleQueue()
        for host in hosts:
            self._faults[host] = f"no answer from {host[0]} within {PROBE_LIMIT:g} s"
            # Daemons, because a name resolution that hangs can be left behind but not stopped.
            Thread(target=lambda host=host: answers.put((host, _connect(host))), daemon=True).start()
        deadline = time.monotonic() + PROBE_LIMIT
        with suppress(Empty):
            for _ in hosts:
                host, fault = answers.get(timeout=max(0.0, deadline - time.monotonic()))
                self._faults[host] = fault

    def require(self, url: str) -> None:
        """Raise ``_FetchError`` if the host of ``url`` does not answer."""
        self.probe([url])
        if fault := self._faults[_host(url)]:
            raise _FetchError(fault)


def _host(url: str) -> tuple[str, int]:
    """Return the host and port that a request for ``url`` connects to: its own, or the proxy's."""
    from requests.utils import get_environ_proxies, select_proxy

    target = urlsplit(select_proxy(url, get_environ_proxies(url)) or url)
    return target.hostname or "", target.port or (443 if target.scheme == "https" else 80)


def _connect(host: tuple[str, int]) -> str | None:
    try:
        socket.create_connection(host, timeout=CONNECT_TIMEOUT).close()
    except (OSError, UnicodeError) as fault:
        return f"cannot reach {host[0]}:{host[1]}: {getattr(fault, 'strerror', None) or fault}"
    return None


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
    network: _Network,
    progress: Progress | None,
) -> None:
    """Put ``file`` at ``target`` from the first address that gives it whole and right."""
    addresses = _addresses(card, file)
    network.probe(addresses)
    for url in addresses:
        try:
            with replacing(target) as content:
                digest = _hash(file)
                for chunk in _body(url, file, network, progress):
                    digest.update(chunk)
                    content.write(chunk)
                if fault := _hash_fault(digest.hexdigest(), file):
                    raise _FetchError(fault)
            return
        except _FetchError as fault:
            faults.append(f"{url}: {fault}")
    raise _not_to_be_had(card, file, faults)


def _body(url: str, file: RemoteFile, network: _Network, progress: Progress | None) -> Iterator[bytes]:
    """Yield the bytes at ``url``: as many as ``file`` may have, never more, in bounded time.

    Raises:
        _FetchError: whatever the server or the network does wrong. Network faults are ``OSError``s, as those
            of the disk are: they are turned here, before they can be taken for such.
    """
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    head, count = b"", 0
    try:
        with _answer(url, network) as response:
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and (int(length) > file.cap or file.size not in (None, int(length))):
                kind = response.headers.get("Content-Type", "unknown type")
                raise _FetchError(f"{length} bytes of {kind} are offered, {_expected_size(file)} expected")
            window, since = 0, time.monotonic()
            # read1 returns what has come, so that a server that drips cannot hold us within one read.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                head = head or chunk[:64]
                count += len(chunk)
                if count > file.cap:
                    raise _FetchError(f"more than {file.cap} bytes of {_kind(head)} came")
                if time.monotonic() - since > STALL_LIMIT:
                    if count - window < STALL_BYTES:
                        raise _FetchError(f"stalled: {count - window} bytes in {STALL_LIMIT:g} s")
                    window, since = count, time.monotonic()
                yield chunk
                if progress:
                    progress(file.name, count, file.size)
    except (RequestException, HTTPError, OSError, ValueError) as fault:
        raise _FetchError(f"{type(fault).__name__}: {fault}") from fault
    if file.size not in (None, count):
        raise _FetchError(f"{count} bytes of {_kind(head)} came, {file.size} expected")


def _answer(url: str, network: _Network) -> "Response":
    """Return the open answer to a request for ``url``, after its redirects."""
    import requests

    options: dict[str, Any] = {
        "stream": True,
        "allow_redirects": False,
        "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
        "headers": {"Accept-Encoding": "identity"},
    }
    for _ in range(MAX_REDIRECTS + 1):
        network.require(url)
        response: Response = _within(ANSWER_LIMIT, partial(requests.get, url, **options))
        if response.status_code == 200:
            return response
        response.close()
        if not response.is_redirect:
            raise _FetchError(f"HTTP {response.status_code} {response.reason}")
        url = _next_hop(url, response.headers["Location"])
    raise _FetchError(f"more than {MAX_REDIRECTS} redirects")


def _next_hop(url: str, location: str) -> str:
    """Return where a redirect leads; from https it may lead to https alone."""
    target = urljoin(url, location)
    allowed = ("http", "https") if urlsplit(url).scheme == "http" else ("https",)
    if urlsplit(target).scheme not in allowed:
        raise _FetchError(f"redirected to {target}, which is not {' or '.join(allowed)}")
    return target


def _within(seconds: float, action: Callable[[], Any]) -> Any:
    """Return what ``action`` returns, or raise what it raises, or ``_FetchError`` if it takes too long."""
    outcome: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((action(), None))
        except Exception as fault:  # noqa: BLE001 - it is raised again where it is waited for
            outcome.put((None, fault))

    Thread(target=run, daemon=True).start()
    try:
        result, fault = outcome.get(timeout=seconds)
    except Empty:
        raise _FetchError(f"no answer within {seconds:g} s") from None
    if fault is not None:
        raise fault
    return result
