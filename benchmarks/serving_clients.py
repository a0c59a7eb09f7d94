"""Slow clients and long use of the server: ``python -m benchmarks.serving_clients [--minutes 60]``.

1,000 clients send headers, send bodies or read answers too slowly while others are answered as usual. Then, the memory
of all processes is measured while the server answers requests of all kinds. ``benchmarks/results/serving-clients.json``
gets the figures.
"""

import asyncio
import re
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np

from benchmarks.conditions import save_result
from benchmarks.processes import descendants
from benchmarks.serving import PORT, open_loop, pictures, running

PAGE = Path(__file__).parent.parent / "docs" / "images" / "page.jpg"
HEAD = "{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n"
CONNECTED_PER_SECOND = 300
"""Slow clients that connect in a second."""
KINDS = 4
"""Kinds of slow clients."""
PIPELINED = 60
"""Requests for a script of the web page that a client sends without reading answers: more than buffers hold."""


def request(path: str, body: bytes = b"", method: str = "POST") -> bytes:
    """Return a request."""
    return HEAD.format(method=method, path=path, size=len(body)).encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = re.search(rb"content-length: (\d+)", head)
    assert size
    return int(head[9:12]), await reader.readexactly(int(size[1]))


async def metric(port: int, name: str) -> dict[str, float]:
    """Return the values of a metric by its labels."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("/metrics", method="GET"))
    _, text = await answer(reader)
    writer.close()
    rows = re.findall(rf"^{name}(?:{{(.*?)}})? (\S+)$", text.decode(), re.MULTILINE)
    return {labels: float(value) for labels, value in rows}


async def slow_client(port: int, number: int, connected: list[float]) -> None:
    """Connect, and send headers (0) or a body (1) byte by byte, read no answer (2), or send nothing (3).

    ``number % KINDS`` is what it does. The time of the connection is added to ``connected``.
    """
    await asyncio.sleep(number / CONNECTED_PER_SECOND)
    kind = number % KINDS
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    with connection, suppress(ConnectionError):
        await loop.sock_connect(connection, ("127.0.0.1", port))
        connected.append(time.perf_counter())
        if kind == 1:
            await loop.sock_sendall(connection, request("/v1/predict", bytes(900))[:-890])
        if kind == 2:
            await loop.sock_sendall(connection, PIPELINED * request("/app.js", method="GET"))
        for letter in (b"GET / HTTP/1.1\r\nX: ", bytes(20), b"", b"")[kind]:
            await loop.sock_sendall(connection, bytes([letter]))
            await asyncio.sleep(1)
        await asyncio.sleep(60)


async def slow_clients(
    port: int, contents: list[bytes], count: int, rate: float, seconds: float = 14, base_seconds: float = 14
) -> dict[str, Any]:
    """Return the time after which the last slow client is closed, and the latency of others without and with them.

    Args:
        port: port of the server.
        contents: picture files that other clients send.
        count: number of slow clients.
        rate: requests per second of the others.
        seconds: duration of the measurement with slow clients.
        base_seconds: duration of the measurement without them.
    """
    before = await open_loop(contents, rate, base_seconds, port)
    counted = await metric(port, "penstroke_rejected_connections_total")
    connected: list[float] = []
    clients = [asyncio.create_task(slow_client(port, number, connected)) for number in range(count)]
    traffic = asyncio.create_task(open_loop(contents, rate, seconds, port))
    closed_after, reasons = None, dict[str, float]()
    while closed_after is None and not traffic.done():
        await asyncio.sleep(0.25)
        now = await metric(port, "penstroke_rejected_connections_total")
        reasons = {labels: value - counted.get(labels, 0) for labels, value in now.items()}
        if sum(reasons.values()) >= count:
            closed_after = time.perf_counter() - connected[-1]
    during = await traffic
    for client in clients:
        client.cancel()
    return {"clients": count, "rate": rate, "closed_after": closed_after, "reasons": reasons,
            "before": before, "during": during}  # fmt: skip


def resident(pid: int) -> float:
    """Return the memory of a process and its descendants in MB, without files that are mapped.

    A page that they share counts once.
    """
    total = 0.0
    for member in (pid, *descendants(pid)):
        with suppress(OSError):
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
            found = re.search(r"^Pss_Anon:\s+(\d+) kB", text, re.MULTILINE)
            total += int(found[1]) / 1e3 if found else 0.0
    return total


async def soak(port: int, pid: int, contents: list[bytes], seconds: float, connections: int = 8) -> dict[str, Any]:
    """Return the growth of the memory while a server answers requests of all kinds.

    Args:
        port: port of the server.
        pid: its process.
        contents: picture files.
        seconds: duration.
        connections: number of clients that send one request after another.
    """
    page = PAGE.read_bytes()
    kinds = [request("/v1/predict", content) for content in contents for _ in range(6)]
    kinds += [request("/v1/predict?view=1", content) for content in contents]
    kinds += [request("/v1/predict", content[:40]) for content in contents]
    kinds += [request("/v1/nothing"), request("/metrics", method="GET"), request("/", method="GET")]
    kinds += [request("/v1/read", page)]
    statuses: Counter[int] = Counter()
    samples: list[tuple[int, float]] = []
    end = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            number += 1
            writer.write(kinds[number * 7919 % len(kinds)])
            status, _ = await answer(reader)
            statuses[status] += 1
        writer.close()

    async def watch() -> None:
        while time.perf_counter() < end:
            samples.append((statuses.total(), await asyncio.to_thread(resident, pid)))
            await asyncio.sleep(seconds / 200)

    await asyncio.gather(watch(), *(client(1000 * number) for number in range(connections)))
    settled = samples[len(samples) // 5 :]  # at first, each worker allocates what it keeps
    counts, memory = np.array(settled).T
    slope = float(np.polyfit(counts, memory, 1)[0]) if len(settled) > 2 else float("nan")
    return {
        "seconds": seconds,
        "requests": statuses.total(),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "first_mb": float(memory[0]),
        "last_mb": float(memory[-1]),
        "mb_per_100000": 1e5 * slope,
    }


def main(*, minutes: float = 60, clients: int = 1000, rate: float = 100) -> None:
    """Measure slow clients and memory.

    Parameters
    ----------
    minutes
        Duration of the measurement of the memory.
    clients
        Number of slow clients.
    rate
        Requests per second of other clients beside them.
    """
    contents = pictures()
    with running("penstroke") as (_, pid):
        slow = asyncio.run(slow_clients(PORT, contents, clients, rate))
        print(slow, flush=True)
        long = asyncio.run(soak(PORT, pid, contents, 60 * minutes))
        print(long, flush=True)
    print(save_result("serving-clients", {"slow": slow, "soak": long}))


if __name__ == "__main__":
    cyclopts.run(main)
