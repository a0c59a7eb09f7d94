"""The limits of a connection: time for headers, body and reading, size of headers, number of connections.

uvicorn's protocol parses and answers; this one adds deadlines. One loop checks the deadlines of all connections, so
that a request costs no timer.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserInvalidURLError
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from penstroke.serve.problems import Problem
from penstroke.serve.settings import BODY_SECONDS, HEADER_SECONDS, IDLE_SECONDS, MAX_HEADER_BYTES, WRITE_SECONDS

CHECK_SECONDS = 0.5
"""Seconds between two checks of the deadlines."""
DRAIN_IDLE_SECONDS = 0.3
"""Seconds that an idle connection stays open while the server stops."""
_MAX_SKIPPED = 64 << 20
"""Bytes of a body that are skipped after its request was answered."""


class Connections:
    """The open connections of a server.

    Args:
        limit: maximum number of connections.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open: set[LimitedProtocol] = set()
        self.draining = False
        self.on_rejection: Callable[[str], object] = lambda _: None
        """Called with the reason when a connection is rejected or closed by a limit."""

    async def check_deadlines(self) -> None:
        """Close connections whose deadline has passed, until cancelled."""
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = time.monotonic()
            for connection in list(self.open):
                connection.check_deadline(now)


class LimitedProtocol(HttpToolsProtocol):
    """One connection. The server sets ``shared`` in a subclass."""

    shared: Connections
    _deadline = 0.0
    _had_request = False
    _in_request = False
    _in_body = False
    _began = False
    _header_bytes = 0
    _received = 0
    """Bytes of the headers, or of a body after its answer."""
    _unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection if there are not too many."""
        super().connection_made(transport)
        self._deadline = time.monotonic() + HEADER_SECONDS
        self.shared.open.add(self)
        if len(self.shared.open) > self.shared.limit:
            self._close_with(Problem("overloaded", "Too many connections are open."), "too-many-connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.shared.open.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; a request that is not HTTP is answered with problem details."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except HttpParserError as error:
            if isinstance(error.__context__, _TooLarge):
                self._close_with(Problem("headers-too-large"))
            else:
                self._close_with(Problem("bad-request", "The request is not valid HTTP/1.1."))
        except (HttpParserInvalidURLError, ValueError):
            self._close_with(Problem("bad-request", "The request target is invalid."))
        except Exception as error:
            if type(error).__name__ != "HttpParserUpgrade":
                raise
            self._close_with(Problem("bad-request", "Connections are not upgraded to another protocol."))
        else:
            self._count_incomplete(len(data))

    def on_message_begin(self) -> None:
        """Start a request."""
        self._had_request = self._in_request = self._began = True
        self._header_bytes = self._received = 0
        self._deadline = time.monotonic() + HEADER_SECONDS
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Collect the request target, up to the limit."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header, up to the limit."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the answer; the body has a deadline of its own."""
        self._in_body = True
        self._received = 0
        self._deadline = time.monotonic() + BODY_SECONDS
        super().on_headers_complete()
        if self.shared.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """End the request: the server's own deadlines apply until the answer."""
        self._in_request = self._in_body = False
        self._deadline = 0.0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, unless one is arriving."""
        super().on_response_complete()
        if not self._in_request:
            self._deadline = time.monotonic() + IDLE_SECONDS

    def shutdown(self) -> None:
        """Answer the current request, and close; a request may be on its way on an idle connection."""
        if self.cycle is None or self.cycle.response_complete:
            self._deadline = min(self._deadline or time.monotonic(), time.monotonic() + DRAIN_IDLE_SECONDS)
        else:
            self.cycle.keep_alive = False

    def check_deadline(self, now: float) -> None:
        """Close the connection if its deadline has passed, or if the client does not read."""
        if self.transport.get_write_buffer_size():
            self._unsent_since = self._unsent_since or now
            if now - self._unsent_since > WRITE_SECONDS:
                self.shared.on_rejection("not-read")
                self.transport.abort()
            return
        self._unsent_since = 0.0
        if self._deadline and now > self._deadline:
            if self._in_request:
                self._close_with(Problem("request-timeout"))
                return
            if not (self._had_request or self.shared.draining):
                self.shared.on_rejection("no-request")
            self.transport.close()

    def _count_incomplete(self, size: int) -> None:
        """Count the bytes of headers that are not complete, and of a body whose request was answered."""
        if self._began:  # the bytes before the request in the same packet are not known
            self._began = False
        elif self._in_request and (not self._in_body or self.cycle.response_complete):
            self._received += size
            if self._received > (_MAX_SKIPPED if self._in_body else MAX_HEADER_BYTES):
                self._close_with(Problem("headers-too-large"))

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise _TooLarge

    def _close_with(self, problem: Problem, reason: str = "") -> None:
        """Answer a request that is not passed to the application, and close the connection.

        Args:
            problem: the answer.
            reason: counted in the metrics; by default the code of the problem.
        """
        self.shared.on_rejection(reason or problem.code)
        body = problem.body("")
        lines = [
            STATUS_LINE[problem.status],
            b"content-type: application/problem+json\r\nconnection: close\r\nx-content-type-options: nosniff\r\n",
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        ]
        cycle = self.cycle
        first = cycle is None or cycle.response_complete or (self._in_body and not cycle.response_started)
        if first and not self.pipeline:  # otherwise, the client would take it for another answer
            self.transport.write(b"".join(lines))
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


class _TooLarge(Exception):
    """The headers are too large."""


def protocol_class(connections: Connections) -> type[LimitedProtocol]:
    """Return the class of the connections of one server."""
    members: dict[str, Any] = {"shared": connections}
    return type("Connection", (LimitedProtocol,), members)
