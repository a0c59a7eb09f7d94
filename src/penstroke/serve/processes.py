"""The server's end of its processes: the template of a model, and the workers that were forked from it."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, cast

from penstroke.errors import ModelError, PenstrokeError
from penstroke.runtime import KEEP_MEMORY
from penstroke.serve.channel import Message, Unpacker, pack
from penstroke.serve.template import FORK, Source

LOAD_SECONDS = 60.0
"""Seconds within which a model must be loaded."""
_SOCKET_BYTES = 1 << 20
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Rejected(PenstrokeError):
    """A model was rejected by its template process, with the message and remedy of that process."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values["message"], values["remedy"])
        self.kind = values["kind"]
        self.exit_code = {"usage": 2, "missing-extra": 2, "data": 3, "check": 5}.get(self.kind, 4)


class Template:
    """A process that has loaded a model, and forks workers.

    Args:
        source: what it loads. The process is started at once, so that other work can be done meanwhile.
    """

    def __init__(self, source: Source) -> None:
        ours, theirs = socket.socketpair()
        path = [entry for entry in sys.path if entry]
        code = f"import sys; sys.path[:] = {path!r}; from penstroke.serve.template import main; main()"
        with theirs:
            command = [sys.executable, "-c", code, str(theirs.fileno()), json.dumps(asdict(source))]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=KEEP_MEMORY | dict(os.environ) | _ONE_THREAD,
                start_new_session=True,
            )
        ours.setblocking(False)
        self._control = ours
        self._unpacker = Unpacker()
        self._lock = asyncio.Lock()
        self.source = source
        self.model: dict[str, Any] = {}

    async def load(self) -> None:
        """Wait until the model is loaded and checked; ``model`` describes it then.

        Raises:
            PenstrokeError: the model was rejected.
        """
        try:
            header, _ = await asyncio.wait_for(self._receive(), LOAD_SECONDS)
        except (EOFError, TimeoutError) as error:
            self.close()
            raise ModelError(
                f"The model {self.source.source} could not be loaded: its process ended or took too long.",
                "See the messages above; it may need more memory than is available.",
            ) from error
        if "error" in header:
            self.close()
            raise Rejected(header["error"])
        self.model = header["model"]

    async def fork(self, on_reply: "Callable[[Worker, Message], None]", on_end: "Callable[[Worker], None]") -> "Worker":
        """Return a new worker.

        Raises:
            ConnectionError: the template has ended.
        """
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        with theirs:
            async with self._lock:
                try:
                    socket.send_fds(self._control, [FORK], [theirs.fileno()])
                    header, _ = await self._receive()
                except (OSError, EOFError) as error:
                    ours.close()
                    raise ConnectionError("the template has ended") from error
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        _, worker = await loop.create_connection(lambda: Worker(header["pid"], on_reply, on_end), sock=ours)
        return worker

    def close(self) -> None:
        """End the process. Its workers go on."""
        self._control.close()
        self._process.kill()
        self._process.wait()

    async def _receive(self) -> Message:
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(self._control, 65536)
            if not data:
                raise EOFError
            for message in self._unpacker.feed(data):
                return message


class Worker(asyncio.Protocol):
    """The connection to a worker process.

    Args:
        pid: the number of the process.
        on_reply: called with each reply.
        on_end: called when the process has ended.
    """

    def __init__(
        self, pid: int, on_reply: "Callable[[Worker, Message], None]", on_end: "Callable[[Worker], None]"
    ) -> None:
        self.pid = pid
        self.ended = False
        self._on_reply, self._on_end = on_reply, on_end
        self._unpacker = Unpacker()
        self._transport: asyncio.Transport | None = None

    def send(self, header: dict[str, Any], content: bytes) -> None:
        """Send a message."""
        if self._transport:
            self._transport.write(pack(header, content))

    def kill(self) -> None:
        """End the process at once. Its connection is open, so its number is not in use by another process."""
        if not self.ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let the process end after its current message."""
        if self._transport:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # that of uvloop is not a subclass

    def data_received(self, data: bytes) -> None:
        """Pass complete replies on."""
        for message in self._unpacker.feed(data):
            self._on_reply(self, message)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - the signature of a protocol
        """Report the end of the process."""
        self.ended = True
        self._on_end(self)
