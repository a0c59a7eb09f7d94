"""Downloads of one file by many processes at the same time, the first of which is killed; and malicious servers."""

import dataclasses
import gzip
import hashlib
import multiprocessing
import os
import resource
import signal
import tempfile
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Event
from typing import Any

from support.web import Answer, Web, running_web

from penstroke.data import transfer
from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.data.fetch import ensure
from penstroke.errors import DataError

NAME = "train-images-idx3-ubyte.gz"
CONTENT = bytes(range(256)) * 2048
"""Half a megabyte."""
PIECES = 16
TIMEOUT = 120.0
"""Seconds without a message after which the processes of a round count as hanging."""
PAUSE = 0.03
"""Seconds between two pieces of the body, so that all processes have started before it ends."""
MAX_WAIT = 5.0
"""Seconds within which another process must continue after the kill."""
EXTRA_DISK = 64 << 10
"""Bytes on the disk by which a download may exceed the size of the file."""
EXTRA_MEMORY = 64 << 20
"""Bytes of memory that a rejected download may take."""


def toy_card(url: str, content: bytes) -> DatasetCard:
    """Return the card of a dataset of one file, at ``url``."""
    file = RemoteFile(NAME, len(content), hashlib.sha256(content).hexdigest())
    return dataclasses.replace(CARDS["mnist"], name="toy", title="Toy", files=(file,), mirrors=(url,))


# ---- many processes at the same time


def _fetch(root: str, card: DatasetCard, messages: Connection, begin: Barrier) -> None:
    """In a new process: fetch the file; send a message at the first bytes, and one with the result."""
    begin.wait(TIMEOUT)
    os.environ["PENSTROKE_DATA"] = root
    seen: list[int] = []

    def progress(_name: str, count: int, _size: int | None) -> None:
        if count and not seen:
            seen.append(count)
            messages.send(("downloads", time.monotonic()))

    try:
        content = ensure(card, progress=progress)[NAME].read_bytes()
        messages.send(("right" if content == CONTENT else "corrupt", time.monotonic()))
    except Exception as error:  # noqa: BLE001 - counted by the parent process
        messages.send((f"{type(error).__name__}: {error}"[:300], time.monotonic()))


def _round(context: ForkServerContext, web: Web, number: int, processes: int, kill: bool, root: Path) -> dict[str, Any]:
    """Let many processes fetch one file at the same time; optionally kill the first one that gets bytes of it."""
    started: list[int] = []
    finished: list[int] = []
    killed = Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        started.append(1)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        step = len(CONTENT) // PIECES
        for start in range(0, len(CONTENT), step):
            handler.wfile.write(CONTENT[start : start + step])
            if kill and len(started) == 1:
                killed.wait(TIMEOUT)  # the process that reads this is killed now, however busy the machine is
                return
            time.sleep(PAUSE)
        finished.append(1)

    web.pages[f"/{number}/{NAME}"] = slowly
    card = toy_card(f"{web.url}/{number}/", CONTENT)
    connections, running = {}, []
    begin = context.Barrier(processes)
    for _ in range(processes):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_fetch, args=(str(root), card, theirs, begin))
        process.start()
        theirs.close()
        connections[mine] = process
        running.append(process)
    outcome: dict[str, Any] = {"results": Counter(), "killed_at": None, "continued_at": None, "ended": None}
    while connections:
        ready = wait(list(connections), timeout=TIMEOUT)
        if not ready:
            outcome["results"]["hangs"] += len(connections)
            break
        for connection in ready:
            assert isinstance(connection, Connection)
            _receive(outcome, connection, connections, killed if kill else None)
    for process in running:
        if not ready:
            process.kill()
        process.join()
    left = {path.name for path in root.rglob("*") if path.is_file()}
    outcome |= {"downloads": len(finished), "leftovers": sorted(left - {NAME, f".{NAME}.lock"})}
    return outcome


def _receive(
    outcome: dict[str, Any], connection: Connection, connections: dict[Any, Any], killed: Event | None
) -> None:
    """Receive one message of a process, and kill the process if it is the first one that downloads."""
    try:
        message, when = connection.recv()
    except EOFError:
        del connections[connection]
        return
    if message != "downloads":
        outcome["results"][message] += 1
        outcome["ended"] = max(when, outcome["ended"] or when)
    elif killed and outcome["killed_at"] is None:
        outcome["killed_at"] = time.monotonic()
        os.kill(connections[connection].pid, signal.SIGKILL)
        killed.set()
    elif outcome["continued_at"] is None:
        outcome["continued_at"] = when


def race(rounds: int, processes: int) -> dict[str, Any]:
    """Return the figures of a number of rounds; in every second round the first process that gets bytes is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.web", "penstroke.data.fetch", "requests"])
    results: Counter[str] = Counter()
    figures: dict[str, Any] = {"rounds": rounds, "processes": processes, "killed": 0, "wrong": []}
    waits = []
    with running_web() as web, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            kill = number % 2 == 1
            outcome = _round(context, web, number, processes, kill, Path(folder, str(number)))
            results += outcome["results"]
            print(f"round {number}: {dict(outcome['results'])}, {outcome['downloads']} download", flush=True)
            figures["killed"] += outcome["killed_at"] is not None
            expected = processes - (outcome["killed_at"] is not None)
            if outcome["killed_at"] is not None and outcome["continued_at"] is not None:
                waits.append(outcome["continued_at"] - outcome["killed_at"])
            if outcome["results"] != {"right": expected} or outcome["downloads"] != 1 or outcome["leftovers"]:
                figures["wrong"].append({"round": number} | {key: str(value) for key, value in outcome.items()})
    longest = round(max(waits), 3) if waits else None
    return figures | {"results": dict(results), "longest_wait_s": longest}


# ---- malicious servers


def cuts(content: bytes) -> dict[str, Any]:
    """Cut the body of a response after each byte, with and without a Content-Length; each must be rejected."""
    wrong: list[str] = []
    tried = 0
    with running_web() as web, tempfile.TemporaryDirectory() as folder:
        os.environ["PENSTROKE_DATA"] = folder
        for length in (None, len(content)):
            for stop in range(len(content)):
                tried += 1
                web.pages[f"/{NAME}"] = answer(content[:stop], length)
                wrong += [f"{length}, cut at {stop}: {what}" for what in _rejected(web, content)["wrong"]]
    return {"tried": tried, "wrong": wrong}


def _rejected(web: Web, content: bytes) -> dict[str, Any]:
    """Fetch a file that must be rejected; return its cost and the failures."""
    root = Path(os.environ["PENSTROKE_DATA"])
    peak = 0

    def measure_disk(*_progress: object) -> None:
        nonlocal peak
        peak = max(peak, sum(path.stat().st_size for path in root.rglob("*") if path.is_file()))

    memory, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    wrong: list[str] = []
    message = ""
    try:
        ensure(toy_card(f"{web.url}/", content), progress=measure_disk)
        wrong.append("accepted")
    except DataError as error:
        message = error.message.split(f"{NAME}: ")[-1].strip()
    except Exception as error:  # noqa: BLE001 - any other error is a failure
        wrong.append(f"{type(error).__name__}: {error}")
    left = [path.name for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) << 10
    if left:
        wrong.append(f"left {left}")
    if peak > len(content) + EXTRA_DISK:
        wrong.append(f"{peak} bytes on the disk")
    if grown > EXTRA_MEMORY:
        wrong.append(f"{grown} bytes of memory")
    elapsed = round(time.monotonic() - start, 2)
    return {"message": message, "seconds": elapsed, "disk": peak, "memory": grown, "wrong": wrong}


def answer(body: bytes, length: int | None = None, **headers: str) -> Answer:
    """Return a page with status 200, that body, and a Content-Length that may be wrong."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def endless(piece: bytes, pause: float = 0.0, before: bytes = b"HTTP/1.0 200 OK\r\n\r\n") -> Answer:
    """Return a page that sends ``before``, then ``piece`` repeatedly without end."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(before)
        while True:
            handler.wfile.write(piece)
            time.sleep(pause)

    return reply


def redirect(target: str) -> Answer:
    """Return a page that redirects to ``target``."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return reply


HTML = b"<!DOCTYPE html><title>Log in to the wireless network</title>"
BOMB = gzip.compress(bytes(64 << 20))
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ATTACKS: dict[str, Answer] = {
    "endless body": endless(CONTENT),
    "endless chunks": endless(b"8000\r\n" + bytes(32768) + b"\r\n", before=CHUNKED),
    "chunk of 2^60 bytes": endless(bytes(65536), before=CHUNKED + b"1000000000000000\r\n"),
    "invalid chunks": endless(b"zz\r\n", before=CHUNKED),
    "endless headers": endless(b"X-More: 1\r\n", before=b"HTTP/1.0 200 OK\r\n"),
    "endless header line": endless(b"x" * 65536, before=b"HTTP/1.0 200 OK\r\nX: "),
    "not HTTP": endless(b"\0\xff" * 100, before=b""),
    "gzip bomb": answer(BOMB, len(BOMB)),
    "gzip bomb as an encoding": answer(BOMB, None, Content_Encoding="gzip"),
    "right size, gzip bomb as an encoding": answer((BOMB * 9)[: len(CONTENT)], len(CONTENT), Content_Encoding="gzip"),
    "web page": answer(HTML, len(HTML), Content_Type="text/html"),
    "web page without a length": answer(HTML),
    "wrong content of the right size": answer(bytes(len(CONTENT)), len(CONTENT)),
    "length too large": answer(CONTENT, len(CONTENT) + 1),
    "length too small": answer(CONTENT, len(CONTENT) - 1),
    "length of -1": answer(CONTENT + b"x", None, Content_Length="-1"),
    "one byte more": answer(CONTENT + b"x"),
    "redirect in a loop": redirect(f"/{NAME}"),
    "redirect to a file": redirect("file:///etc/passwd"),
    "redirect to ftp": redirect("ftp://127.0.0.1/x"),
    "redirect to nowhere": redirect("http://[x"),
    "drips a body": endless(b"x", 0.05),
    "drips headers": endless(b"X-Drip: 1\r\n", 0.05, before=b"HTTP/1.0 200 OK\r\n"),
    "silence": endless(b"", 1.0, before=b""),
}


SLOW = ("drips a body", "drips headers", "silence")
"""Attacks that are rejected by time limits."""


def attacks(slow: bool = True) -> dict[str, Any]:
    """Fetch from each malicious server; without ``slow``, leave out those that time limits reject."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PENSTROKE_DATA"] = folder
        for name, reply in ATTACKS.items():
            if name in SLOW and not slow:
                continue
            with running_web() as web:
                web.pages[f"/{NAME}"] = reply
                found[name] = _rejected(web, CONTENT)
            print(f"{'WRONG' if found[name]['wrong'] else 'ok':6}{found[name]['seconds']:6.2f} s  {name}", flush=True)
    return found


def campaign(rounds: int, processes: int, length: int = 600, slow: bool = True) -> dict[str, Any]:
    """Run the race, the cuts of a body of ``length`` bytes, and the attacks; return the figures."""
    for name in ("PENSTROKE_MIRROR", "PENSTROKE_OFFLINE", "http_proxy", "HTTP_PROXY"):
        os.environ.pop(name, None)
    raced = race(rounds, processes)
    if (raced["longest_wait_s"] or 0) > MAX_WAIT:
        raced["wrong"].append(f"the other processes continued after {raced['longest_wait_s']} s")
    limits = {"stall_s": transfer.STALL_LIMIT, "answer_s": transfer.ANSWER_LIMIT, "read_s": transfer.READ_TIMEOUT}
    return {"race": raced, "cut": cuts(CONTENT[:length]), "limits": limits, "attacks": attacks(slow)}


def failures(figures: dict[str, Any]) -> list[str]:
    """Return the failures in the figures of ``campaign``."""
    attacked = [f"{name}: {what}" for name, found in figures["attacks"].items() for what in found["wrong"]]
    return [*map(str, figures["race"]["wrong"]), *figures["cut"]["wrong"], *attacked]
