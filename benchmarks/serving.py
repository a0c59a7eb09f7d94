"""The server against a plain FastAPI handler and LitServe around the same classifier; open-loop load; overload; start.

``python -m benchmarks.serving [--short]`` needs wrk (a package of Debian), and the packages fastapi and litserve. All
servers run on the same machine as the load. The pictures are 64 test images of MNIST as PNG files.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.conditions import load_result, save_result, summary

ROOT = Path(__file__).parent.parent
PORT = 8791
CONNECTIONS = (1, 16, 32, 128)
PEERS = ("penstroke", "fastapi", "litserve")


def pictures() -> list[bytes]:
    """Return 64 test images of MNIST as PNG files."""
    import io

    from PIL import Image

    from penstroke.data import load

    found = []
    for image in load("mnist").test.images[:64]:
        stream = io.BytesIO()
        Image.fromarray(image[0]).save(stream, "PNG")
        found.append(stream.getvalue())
    return found


def request_bodies(peer: str, contents: list[bytes]) -> list[bytes]:
    """Return the bodies of requests; LitServe takes JSON."""
    if peer != "litserve":
        return contents
    return [json.dumps({"picture": base64.b64encode(content).decode()}).encode() for content in contents]


def script(folder: Path, contents: list[bytes]) -> Path:
    """Write the script of wrk that sends the bodies in turn."""
    bodies = ",".join("'" + "".join(f"\\{byte:03d}" for byte in content) + "'" for content in contents)
    path = folder / "post.lua"
    path.write_text(
        f"local bodies = {{{bodies}}}\nlocal i = 0\n"
        "local headers = {['Content-Type'] = 'application/json'}\n"
        "request = function()\n  i = i % #bodies + 1\n"
        "  return wrk.format('POST', '/v1/predict', headers, bodies[i])\nend\n"
    )
    return path


def command(peer: str, source: str) -> list[str]:
    """Return the command that starts a server."""
    if peer == "penstroke":
        return [sys.executable, "-m", "penstroke", "serve", source, "--port", str(PORT)]
    return [sys.executable, "-m", f"benchmarks.peers.serving_{peer}", str(PORT)]


@contextlib.contextmanager
def running(peer: str, source: str = "ready") -> Iterator[tuple[float, int]]:
    """Run a server, and yield the seconds from its start to its first answer, and the number of its process.

    Args:
        peer: name of the server.
        source: what ``penstroke serve`` serves.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command(peer, source), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        picture = request_bodies(peer, pictures()[:1])[0]
        while not answers(peer, picture):
            time.sleep(0.005)
            assert time.perf_counter() - start < 60, f"{peer} does not answer"
        yield time.perf_counter() - start, process.pid
    finally:
        os.killpg(process.pid, 15)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def answers(peer: str, picture: bytes) -> bool:
    """Return whether a server answers."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        if peer == "penstroke":
            connection.request("GET", "/readyz")
        else:
            connection.request("POST", "/v1/predict", picture, {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    return False


def closed_loop(lua: Path, connections: int, seconds: int) -> dict[str, float]:
    """Return rate, latency in milliseconds, and the fraction of errors with a number of connections."""
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(lua), f"http://127.0.0.1:{PORT}"]
    text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    units = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    values = {}
    for name, percent in (("p50", "50%"), ("p99", "99%")):
        found = re.search(rf"{percent}\s+([\d.]+)(us|ms|s)", text)
        assert found, text
        values[name] = float(found[1]) * units[found[2]]
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    total = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert total, text
    assert rate, text
    return values | {"rate": float(rate[1]), "errors": int(errors[1]) / int(total[1]) if errors else 0.0}


async def open_loop(contents: list[bytes], rate: float, seconds: float, port: int = PORT) -> dict[str, Any]:
    """Send requests at a fixed rate, whether or not earlier ones are answered, and return the latencies by status.

    The time of a request starts when it is due, so that a delayed start counts.
    """
    times: dict[int, list[float]] = {}
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(due: float, content: bytes) -> None:
        try:
            while free and free[-1][0].at_eof():  # the server has closed an idle connection
                free.pop()[1].close()
            reader, writer = free.pop() if free else await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", head)
            assert size
            await reader.readexactly(int(size[1]))
            free.append((reader, writer))
            status = int(head[9:12])
        except (OSError, asyncio.IncompleteReadError):
            status = 0
        times.setdefault(status, []).append(1e3 * (time.perf_counter() - due))

    start = time.perf_counter()
    waiting: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = start + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        task = asyncio.create_task(send(due, contents[number % len(contents)]))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
    await asyncio.gather(*waiting)
    for _, writer in free:
        writer.close()
    return {
        str(status): {"n": len(each), "p50": statistics.median(each), "p99": sorted(each)[int(0.99 * len(each))]}
        for status, each in times.items()
    }


def closed_loops(folder: Path, repeats: int, *, short: bool) -> dict[str, Any]:
    """Return the measurements of all servers with several numbers of connections."""
    contents = pictures()
    seconds, repeats = (3, 2) if short else (10, repeats)
    rows: dict[str, dict[str, list[dict[str, float]]]] = {peer: {} for peer in PEERS}
    starts: dict[str, list[float]] = {peer: [] for peer in PEERS}
    for _ in range(repeats):
        for peer in PEERS:
            lua = script(folder, request_bodies(peer, contents))
            with running(peer) as (start, _):
                starts[peer].append(start)
                closed_loop(lua, 8, 1)
                for connections in CONNECTIONS:
                    row = closed_loop(lua, connections, seconds)
                    rows[peer].setdefault(str(connections), []).append(row)
                    print(f"{peer}, {connections} connections: {row}", flush=True)
    return {
        "closed_loop": {
            peer: {
                count: {key: summary([row[key] for row in found]) for key in found[0]} for count, found in by.items()
            }
            for peer, by in rows.items()
        },
        "start_seconds": {peer: summary(values) for peer, values in starts.items()},
        "saturation": statistics.median(row["rate"] for row in rows["penstroke"]["32"]),
        "seconds": seconds,
        "short": short,
    }


def open_loops(folder: Path, saturation: float, *, short: bool) -> dict[str, Any]:
    """Return the measurements of the server at 70 % and at 3 times a rate, and after that."""
    contents = pictures()
    lua = script(folder, contents)
    with running("penstroke"):
        closed_loop(lua, 8, 1)
        steady = asyncio.run(open_loop(contents, 0.7 * saturation, 20 if short else 600))
        print(f"70 % of saturation: {steady}", flush=True)
        overload = asyncio.run(open_loop(contents, 3 * saturation, 5 if short else 30))
        print(f"3 times saturation: {overload}", flush=True)
        time.sleep(2)
        after = asyncio.run(open_loop(contents, 0.3 * saturation, 5))
    return {
        "saturation": saturation,
        "steady_70": steady,
        "overload_3": overload,
        "after_overload": after,
        "short": short,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a minute instead of half an hour")
    parser.add_argument("--open-loop", action="store_true", help="only that, with the last saturation")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each server and number of connections")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.open_loop:
            save_result("serving", closed_loops(Path(folder), arguments.repeats, short=arguments.short))
        saturation = load_result("serving")["saturation"]
        save_result("serving-load", open_loops(Path(folder), saturation, short=arguments.short))


if __name__ == "__main__":
    main()
