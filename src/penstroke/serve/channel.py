"""Messages between the server and its processes: a header in JSON and binary content. No pickle is exchanged."""

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

_PREFIX = struct.Struct("!II")
"""Lengths of the header and of the content in bytes."""
Message = tuple[dict[str, Any], bytes]


def pack(header: dict[str, Any], content: bytes = b"") -> bytes:
    """Return a message as bytes."""
    text = json.dumps(header).encode()
    return b"".join((_PREFIX.pack(len(text), len(content)), text, content))


class Unpacker:
    """Collects received bytes, and yields complete messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = _PREFIX.size

    def feed(self, data: bytes) -> Iterator[Message]:
        """Add received bytes, and yield the messages that are complete."""
        self._buffer += data
        while len(self._buffer) >= self._needed:
            header_size, size = _PREFIX.unpack_from(self._buffer)
            start = _PREFIX.size + header_size
            self._needed = start + size
            if len(self._buffer) < self._needed:
                return
            header = json.loads(bytes(self._buffer[_PREFIX.size : start]))
            content = bytes(self._buffer[start : self._needed])
            del self._buffer[: self._needed]
            self._needed = _PREFIX.size
            yield header, content


def receive(connection: socket.socket) -> Message:
    """Return the next message of a blocking socket.

    Raises:
        EOFError: the other process has closed the connection.
    """
    header_size, size = _PREFIX.unpack(_exactly(connection, _PREFIX.size))
    header = json.loads(bytes(_exactly(connection, header_size)))
    return header, bytes(_exactly(connection, size))


def _exactly(connection: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        count = connection.recv_into(view[done:])
        if not count:
            raise EOFError
        done += count
    return data
