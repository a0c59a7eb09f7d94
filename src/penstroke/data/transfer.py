"""Get a file's bytes from an address: in bounded time, never more than were promised, over https unless told.

This file knows nothing of the disk and of hashes, and prints nothing.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from penstroke.data.catalog import RemoteFile

if TYPE_CHECKING:
    from requests import Response

# Seconds. That nothing can be reached is known after PROBE_LIMIT, whatever hangs.
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
PROBE_LIMIT = 6.0
ANSWER_LIMIT = 15.0  # for all headers of one answer, even if they come byte by byte
STALL_LIMIT = 30.0  # in every such span at least STALL_BYTES of the body must come
STALL_BYTES = 32_768
MAX_REDIRECTS = 5
CHUNK = 1 << 18  # bytes

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, its bytes so far, and its size where that is known."""


class FetchError(Exception):
    """An address could not give a file; the text says why. Never leaves this package."""


class Network:
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
        """Raise ``FetchError`` if the host of ``url`` does not answer."""
        self.probe([url])
        if fault := self._faults[_host(url)]:
            raise FetchError(fault)


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


def read_body(url: str, file: RemoteFile, network: Network, progress: Progress | None) -> Iterator[bytes]:
    """Yield the bytes at ``url``: as many as ``file`` may have, never more, in bounded time.

    Raises:
        FetchError: whatever the server or the network does wrong. Network faults are ``OSError``s, as those
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
                raise FetchError(f"{length} bytes of {kind} are offered, {expected_size(file)} expected")
            window, since = 0, time.monotonic()
            # read1 returns what has come, so that a server that drips cannot hold us within one read.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                head = head or chunk[:64]
                count += len(chunk)
                if count > file.cap:
                    raise FetchError(f"more than {file.cap} bytes of {kind_of(head)} came")
                if time.monotonic() - since > STALL_LIMIT:
                    if count - window < STALL_BYTES:
                        raise FetchError(f"stalled: {count - window} bytes in {STALL_LIMIT:g} s")
                    window, since = count, time.monotonic()
                yield chunk
                if progress:
                    progress(file.name, count, file.size)
    except (RequestException, HTTPError, OSError, ValueError) as fault:
        raise FetchError(f"{type(fault).__name__}: {fault}") from fault
    if file.size not in (None, count):
        raise FetchError(f"{count} bytes of {kind_of(head)} came, {file.size} expected")


def _answer(url: str, network: Network) -> "Response":
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
            raise FetchError(f"HTTP {response.status_code} {response.reason}")
        url = _next_hop(url, response.headers["Location"])
    raise FetchError(f"more than {MAX_REDIRECTS} redirects")


def _next_hop(url: str, location: str) -> str:
    """Return where a redirect leads; from https it may lead to https alone."""
    target = urljoin(url, location)
    allowed = ("http", "https") if urlsplit(url).scheme == "http" else ("https",)
    if urlsplit(target).scheme not in allowed:
        raise FetchError(f"redirected to {target}, which is not {' or '.join(allowed)}")
    return target


def _within(seconds: float, action: Callable[[], Any]) -> Any:
    """Return what ``action`` returns, or raise what it raises, or ``FetchError`` if it takes too long."""
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
        raise FetchError(f"no answer within {seconds:g} s") from None
    if fault is not None:
        raise fault
    return result


def expected_size(file: RemoteFile) -> str:
    """Return how many bytes a file should have, in words."""
    return f"at most {file.cap}" if file.size is None else str(file.size)


def kind_of(head: bytes) -> str:
    """Return what bytes that begin like ``head`` seem to be, in words."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip data"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML or XML page"
    return "other data"
