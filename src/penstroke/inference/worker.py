"""Prepare pictures in another process.

A worker is a new Python interpreter, connected by pipes. Unlike ``multiprocessing``, this neither forks a process in
which PyTorch's threads run, nor imports the caller's main module again, nor exchanges pickles. A worker ends when its
pipe is closed, including when the parent process is killed. This module does not depend on PyTorch.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from penstroke.errors import DataError, EmptyPicture
from penstroke.runtime import KEEP_MEMORY

if TYPE_CHECKING:
    from penstroke.pictures.preprocessing import Picture


@dataclass(frozen=True)
class Preparation:
    """Settings of the preparation: see ``penstroke.pictures.preprocessing.preprocess``."""

    preprocessing: str
    image_shape: tuple[int, int, int]
    max_pixels: int

    def __call__(self, picture: "Picture") -> ndarray | DataError:
        """Return the image ``uint8 [c, h, w]`` of a picture, or an error."""
        from penstroke.pictures.preprocessing import preprocess

        try:
            return preprocess(picture, self.preprocessing, self.image_shape, self.max_pixels)
        except DataError as error:
            return error


class Worker:
    """A process that prepares one picture at a time. It is restarted if it terminates."""

    def __init__(self, preparation: Preparation) -> None:
        self._preparation = preparation
        self._stopped = False
        self._start()

    def prepare(self, picture: "Picture") -> ndarray | DataError:
        """Return the image of a picture for which ``is_sent`` is true, or an error."""
        try:
            _send_picture(self._input, picture)
            return _receive_result(self._output)
        except (EOFError, OSError, ValueError):  # ValueError: a closed pipe
            if self._stopped:
                return DataError("The preparation was stopped.")
            status = self._end()
            self._start()
            name = str(picture) if isinstance(picture, str | Path) else "The picture"
            return DataError(
                f"{name} was not prepared: the worker process ended with status {status}.",
                "It may need more memory than is available: use a smaller picture.",
            )

    def stop(self) -> None:
        """End the process. A call of ``prepare`` in another thread returns an error."""
        self._stopped = True
        self._process.kill()
        self._end()

    def _start(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=KEEP_MEMORY | os.environ,
            start_new_session=True,  # Ctrl-C reaches only the parent process, which then stops its workers
        )
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        _send(self._input, asdict(self._preparation))

    def _end(self) -> int:
        status = self._process.wait()
        for stream in (self._input, self._output):
            with suppress(OSError):  # raised for data that the process did not read
                stream.close()
        return status


def is_sent(picture: object) -> bool:
    """Return whether a worker can prepare a picture: a path, bytes or ``uint8`` array, but not a PIL image."""
    return isinstance(picture, str | Path | bytes) or (isinstance(picture, ndarray) and picture.dtype == np.uint8)


def serve() -> None:
    """Prepare the pictures that arrive on stdin until it is closed, and write the results to stdout."""
    source, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the output of libraries must not mix with the results
    try:
        settings, _ = _receive(source)
        preparation = Preparation(**settings | {"image_shape": tuple(settings["image_shape"])})
        while True:
            picture = _receive_picture(source)
            _send_result(results, preparation(picture))
    except (EOFError, BrokenPipeError):  # the parent process has closed the pipe or terminated
        os._exit(0)  # without flushing the output


def _send_picture(stream: IO[bytes], picture: "Picture") -> None:
    if isinstance(picture, bytes):
        _send(stream, {"kind": "bytes"}, picture)
    elif isinstance(picture, ndarray):
        _send(stream, {"kind": "array", "shape": picture.shape}, picture.tobytes())
    else:
        _send(stream, {"kind": "path", "path": str(picture)})


def _receive_picture(stream: IO[bytes]) -> "Picture":
    header, content = _receive(stream)
    if header["kind"] == "array":
        return np.frombuffer(content, np.uint8).reshape(header["shape"])
    return bytes(content) if header["kind"] == "bytes" else str(header["path"])


def _send_result(stream: IO[bytes], result: ndarray | DataError) -> None:
    if isinstance(result, ndarray):
        _send(stream, {"kind": "image", "shape": result.shape}, result.tobytes())
    elif isinstance(result, EmptyPicture):
        _send(stream, {"kind": "empty", "reason": result.reason})
    else:
        _send(stream, {"kind": "error", "message": result.message, "remedy": result.remedy})


def _receive_result(stream: IO[bytes]) -> ndarray | DataError:
    header, content = _receive(stream)
    if header["kind"] == "image":
        return np.frombuffer(content, np.uint8).reshape(header["shape"])
    if header["kind"] == "empty":
        return EmptyPicture(header["reason"])
    return DataError(header["message"], header["remedy"])


def _send(stream: IO[bytes], header: dict[str, Any], content: bytes = b"") -> None:
    """Write a message: one line of JSON, which states the number of bytes that follow, and these bytes."""
    stream.write(json.dumps(header | {"size": len(content)}).encode() + b"\n")
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray]:
    """Return the next message. Its content is writable.

    Raises:
        EOFError: the stream has ended.
    """
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header: dict[str, Any] = json.loads(line)
    size = header.pop("size")
    content = bytearray(stream.read(size))
    if len(content) < size:
        raise EOFError
    return header, content
