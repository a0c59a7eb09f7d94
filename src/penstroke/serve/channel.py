"""Messages between the server and its processes: a header in JSON and binary content. No pickle is exchanged."""

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

_PREFIX = struct.Struct("!II")
"""Lengths of the header and of the content in bytes."""
_READ_BYTES = 1 << 16  # larger buffers would be mapped and unmapped each time
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


def messages(connection: socket.socket) -> Iterator[Message]:
    """Yield the messages of a blocking socket until the other process closes it."""
    unpacker = Unpacker()
    while data := connection.recv(_READ_BYTES):
        yield from unpacker.feed(data)
