"""A server in a process of its own, and a client with plain sockets."""

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.processes import children
from support.node import WEB

SOURCES = str(WEB.parent.parent)


def free_port() -> int:
    """Return the number of a port that no server uses."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def accept_interrupt() -> None:
    """Set the default handler of SIGINT in a new process, which programs in the background of a shell script ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass
class Server:
    """A running server."""

    process: "subprocess.Popen[str]"
    port: int
    log: Path
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return status, headers and body of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(connection):
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
        status, _, content = self.request("POST", path, body, **headers)
        return status, json.loads(content)

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        status, _, content = self.request("GET", path, None, **headers)
        return status, json.loads(content)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return all that is received until nothing comes for a moment."""
        received = b""
        with self.connect() as connection, contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(data)
            connection.settimeout(0.2)
            while piece := connection.recv(65536):
                received += piece
        return received

    def workers(self) -> list[int]:
        """Return the numbers of the worker processes: children of the child of the server."""
        return [child for template in children(self.process.pid) for child in children(template)]

    def events(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=15)


def png(pixels: np.ndarray) -> bytes:
    """Return a picture as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@contextlib.contextmanager
def running_server(
    folder: Path, *options: str, source: str = "ready", workers: int = 2, port: int = 0
) -> Iterator[Server]:
    """Run ``penstroke serve`` on a free port, and stop it at the end."""
    log = folder / "log.jsonl"
    words = [sys.executable, "-m", "penstroke", "serve", *([source] if source else []), "--port", str(port), "--json"]
    environment = os.environ | {"PYTHONPATH": SOURCES, "OMP_NUM_THREADS": "1"}
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*words, "--workers", str(workers), *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment,
            preexec_fn=accept_interrupt,
        )
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert '"url"' in line, line + log.read_text()
        yield Server(process, int(json.loads(line)["url"].rpartition(":")[2]), log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
