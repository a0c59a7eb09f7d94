"""Download the bytes of a file within limits of time and size; a redirect from https to http is rejected.

This module does not depend on the disk or on hashes. It imports ``requests`` when something is downloaded.
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

# Seconds. After PROBE_LIMIT it is certain which hosts are unreachable, even if name resolution blocks.
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
PROBE_LIMIT = 6.0
ANSWER_LIMIT = 15.0  # for all headers of a response, even if they arrive byte by byte
STALL_LIMIT = 30.0  # at least STALL_BYTES of the body must arrive in each such period
STALL_BYTES = 32_768
MAX_REDIRECTS = 5
CHUNK = 1 << 18  # bytes

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the number of bytes so far, and the size in bytes; or with ``PICTURES`` and numbers of
pictures."""
PICTURES = "pictures decoded"


class FetchError(Exception):
    """A URL does not return the file; the text is the reason. Not raised outside this package."""


class Hosts:
    """Connectivity of hosts. Each host is checked once; several hosts are checked at the same time."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, int], str | None] = {}

    def probe(self, urls: Sequence[str]) -> None:
        """Check which hosts of ``urls`` accept a connection, within PROBE_LIMIT seconds in total."""
        hosts = {host for url in urls if (host := _host(url)) not in self._errors}
        results: SimpleQueue[tuple[tuple[str, int], str | None]] = SimpleQueue()
        for host in hosts:
            self._errors[host] = f"no answer from {host[0]} within {PROBE_LIMIT:g} s"
            # Daemon threads, because a name resolution that blocks cannot be stopped.
            Thread(target=lambda host=host: results.put((host, _connect(host))), daemon=True).start()
        deadline = time.monotonic() + PROBE_LIMIT
        with suppress(Empty):
            for _ in hosts:
                host, error = results.get(timeout=max(0.0, deadline - time.monotonic()))
                self._errors[host] = error

    def require(self, url: str) -> None:
        """Raise ``FetchError`` if the host of ``url`` does not accept a connection."""
        self.probe([url])
        if error := self._errors[_host(url)]:
            raise FetchError(error)


def _host(url: str) -> tuple[str, int]:
    """Return the host and port that a request for ``url`` connects to: its own, or those of a proxy."""
    from requests.utils import get_environ_proxies, select_proxy

    target = urlsplit(select_proxy(url, get_environ_proxies(url)) or url)
    return target.hostname or "", target.port or (443 if target.scheme == "https" else 80)


def _connect(host: tuple[str, int]) -> str | None:
    try:
        socket.create_connection(host, timeout=CONNECT_TIMEOUT).close()
    except (OSError, UnicodeError) as error:
        return f"cannot reach {host[0]}:{host[1]}: {getattr(error, 'strerror', None) or error}"
    return None


def read_body(url: str, file: RemoteFile, hosts: Hosts, progress: Progress | None) -> Iterator[bytes]:
    """Yield the bytes at ``url``: exactly ``file.size`` bytes, within limited time.

    Raises:
        FetchError: the server or the network fails, or another number of bytes arrives. Network errors are
            ``OSError``s, as those of the disk are; they are converted here, so that the two are not confused.
    """
    from requests import RequestException
    from urllib3.exceptions import HTTPError

    head, count = b"", 0
    try:
        with _answer(url, hosts) as response:
            length = response.headers.get("Content-Length", "")
            if length.isdigit() and int(length) != file.size:
                kind = response.headers.get("Content-Type", "unknown type")
                raise FetchError(f"{length} bytes of {kind} offered, {file.size} expected")
            window, since = 0, time.monotonic()
            # read1 returns what has arrived: with read, a server that sends slowly would block within one call.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                head = head or chunk[:64]
                count += len(chunk)
                if count > file.size:
                    raise FetchError(f"more than {file.size} bytes of {kind_of(head)} received")
                if time.monotonic() - since > STALL_LIMIT:
                    if count - window < STALL_BYTES:
                        raise FetchError(f"stalled: {count - window} bytes in {STALL_LIMIT:g} s")
                    window, since = count, time.monotonic()
                yield chunk
                if progress:
                    progress(file.name, count, file.size)
    except (RequestException, HTTPError, OSError, ValueError) as error:
        raise FetchError(f"{type(error).__name__}: {error}") from error
    if count != file.size:
        raise FetchError(f"{count} bytes of {kind_of(head)} received, {file.size} expected")


def _answer(url: str, hosts: Hosts) -> "Response":
    """Return the open response to a request for ``url``, after its redirects."""
    import requests

    options: dict[str, Any] = {
        "stream": True,
        "allow_redirects": False,
        "timeout": (CONNECT_TIMEOUT, READ_TIMEOUT),
        "headers": {"Accept-Encoding": "identity"},
    }
    for _ in range(MAX_REDIRECTS + 1):
        hosts.require(url)
        response: Response = _within(ANSWER_LIMIT, partial(requests.get, url, **options))
        if response.status_code == 200:
            return response
        response.close()
        if not response.is_redirect:
            raise FetchError(f"HTTP {response.status_code} {response.reason}")
        url = _next_hop(url, response.headers["Location"])
    raise FetchError(f"more than {MAX_REDIRECTS} redirects")


def _next_hop(url: str, location: str) -> str:
    """Return the target of a redirect. A redirect from https is followed to https only."""
    target = urljoin(url, location)
    allowed = ("http", "https") if urlsplit(url).scheme == "http" else ("https",)
    if urlsplit(target).scheme not in allowed:
        raise FetchError(f"redirected to {target}, which is not {' or '.join(allowed)}")
    return target


def _within(seconds: float, action: Callable[[], Any]) -> Any:
    """Return the result of ``action``, raise its exception, or raise ``FetchError`` if it takes too long."""
    outcome: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put((action(), None))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            outcome.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = outcome.get(timeout=seconds)
    except Empty:
        raise FetchError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return result


def kind_of(head: bytes) -> str:
    """Return, in words, the kind of content that ``head``, its first bytes, indicates."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip data"
    if head.startswith(b"PK\x03\x04"):
        return "a zip archive"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "an HTML or XML page"
    return "other data"
