"""First fetches by many processes at once, whose leader is killed; and answers that lie, stop or never end.

``python -m campaigns.fetch_race`` runs the whole and writes ``benchmarks/results/reliability-fetch.json``.
"""

import dataclasses
import gzip
import hashlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Event, Thread
from typing import Any

from conftest import Web

from penstroke.data import transfer
from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.data.fetch import obtain
from penstroke.errors import DataError

NAME = "train-images-idx3-ubyte.gz"
CONTENT = bytes(range(256)) * 2048
"""Half a megabyte."""
PIECES = 16
HANGS = 120.0
"""Seconds without news after which a round hangs."""
PAUSE = 0.03
"""Seconds between two pieces of the body, so that all are there before it ends."""
PATIENCE = 5.0
"""Seconds after which the others must have gone on."""
ROOM = 64 << 10
"""Bytes by which a download may exceed what was promised, on the disk."""
Answer = Callable[[BaseHTTPRequestHandler], None]


def toy(url: str, content: bytes) -> DatasetCard:
    """Return the card of a dataset of one file, at ``url``."""
    file = RemoteFile(NAME, len(content), hashlib.sha256(content).hexdigest(), None)
    return dataclasses.replace(CARDS["mnist"], name="toy", title="Toy", files=(file,), mirrors=(url,))


@contextmanager
def serving() -> Iterator[Web]:
    """Run a web server in a thread, for the block."""
    web = Web()
    Thread(target=lambda: web.server.serve_forever(poll_interval=0.01), daemon=True).start()
    try:
        yield web
    finally:
        web.server.shutdown()
        web.server.server_close()


# ---- many processes at once


def _fetch(root: str, card: DatasetCard, news: Connection, begin: Barrier) -> None:
    """In a process of its own: fetch, telling when the first bytes came, and what came of it."""
    begin.wait(HANGS)
    os.environ["PENSTROKE_DATA"] = root
    told: list[int] = []

    def progress(_name: str, count: int, _size: int | None) -> None:
        if count and not told:
            told.append(count)
            news.send(("leads", time.monotonic()))

    try:
        content = obtain(card, progress=progress)[NAME].read_bytes()
        news.send(("right" if content == CONTENT else "corrupt", time.monotonic()))
    except Exception as fault:  # noqa: BLE001 - told to who counts
        news.send((f"{type(fault).__name__}: {fault}"[:300], time.monotonic()))


def _round(context: ForkServerContext, web: Web, number: int, processes: int, kill: bool, root: Path) -> dict[str, Any]:
    """Let many processes fetch one file at once, kill the first that gets bytes of it, and return what came of it."""
    begun: list[int] = []
    finished: list[int] = []
    struck = Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        begun.append(1)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        step = len(CONTENT) // PIECES
        for start in range(0, len(CONTENT), step):
            handler.wfile.write(CONTENT[start : start + step])
            if kill and len(begun) == 1:
                struck.wait(HANGS)  # whoever reads this first is killed now, however busy the machine is
                return
            time.sleep(PAUSE)
        finished.append(1)

    web.pages[f"/{number}/{NAME}"] = slowly
    card = toy(f"{web.url}/{number}/", CONTENT)
    ends, running = {}, []
    begin = context.Barrier(processes)
    for _ in range(processes):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_fetch, args=(str(root), card, theirs, begin))
        process.start()
        theirs.close()
        ends[mine] = process
        running.append(process)
    outcome: dict[str, Any] = {"results": Counter(), "killed_at": None, "went_on": None, "ended": None}
    while ends:
        ready = wait(list(ends), timeout=HANGS)
        if not ready:
            outcome["results"]["hangs"] += len(ends)
            break
        for end in ready:
            assert isinstance(end, Connection)
            _hear(outcome, end, ends, struck if kill else None)
    for process in running:
        if not ready:
            process.kill()
        process.join()
    left = {path.name for path in root.rglob("*") if path.is_file()}
    outcome |= {"downloads": len(finished), "litter": sorted(left - {NAME, f".{NAME}.lock"})}
    return outcome


def _hear(outcome: dict[str, Any], end: Connection, ends: dict[Any, Any], struck: Event | None) -> None:
    try:
        said, when = end.recv()
    except EOFError:
        del ends[end]
        return
    if said != "leads":
        outcome["results"][said] += 1
        outcome["ended"] = max(when, outcome["ended"] or when)
    elif struck and outcome["killed_at"] is None:
        outcome["killed_at"] = time.monotonic()
        os.kill(ends[end].pid, signal.SIGKILL)
        struck.set()
    elif outcome["went_on"] is None:
        outcome["went_on"] = when


def race(rounds: int, processes: int) -> dict[str, Any]:
    """Return what came of so many rounds, in every second of which the first process that gets bytes is killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["conftest", "penstroke.data.fetch", "requests"])
    results: Counter[str] = Counter()
    figures: dict[str, Any] = {"rounds": rounds, "processes": processes, "killed": 0, "wrong": []}
    waits = []
    with serving() as web, tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            kill = number % 2 == 1
            outcome = _round(context, web, number, processes, kill, Path(folder, str(number)))
            results += outcome["results"]
            print(f"round {number}: {dict(outcome['results'])}, {outcome['downloads']} download", flush=True)
            figures["killed"] += outcome["killed_at"] is not None
            expected = processes - (outcome["killed_at"] is not None)
            if outcome["killed_at"] is not None and outcome["went_on"] is not None:
                waits.append(outcome["went_on"] - outcome["killed_at"])
            if outcome["results"] != {"right": expected} or outcome["downloads"] != 1 or outcome["litter"]:
                figures["wrong"].append({"round": number} | {key: str(value) for key, value in outcome.items()})
    longest = round(max(waits), 3) if waits else None
    return figures | {"results": dict(results), "longest_wait_s": longest}


# ---- answers that lie, stop or never end


def cuts(content: bytes) -> dict[str, Any]:
    """Cut a small file's body after every byte, with and without a length before it: each must be refused."""
    wrong: list[str] = []
    tried = 0
    with serving() as web, tempfile.TemporaryDirectory() as folder:
        os.environ["PENSTROKE_DATA"] = folder
        for length in (None, len(content)):
            for stop in range(len(content)):
                tried += 1
                web.pages[f"/{NAME}"] = answer(content[:stop], length)
                wrong += [f"{length}, cut at {stop}: {what}" for what in _refused(web, content)["wrong"]]
    return {"tried": tried, "wrong": wrong}


def _refused(web: Web, content: bytes) -> dict[str, Any]:
    """Fetch what must not be taken; return what it cost, and all that is wrong."""
    root = Path(os.environ["PENSTROKE_DATA"])
    peak = 0

    def look(*_news: object) -> None:
        nonlocal peak
        peak = max(peak, sum(path.stat().st_size for path in root.rglob("*") if path.is_file()))

    memory, begun, wrong, said = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic(), [], ""
    try:
        obtain(toy(f"{web.url}/", content), progress=look)
        wrong.append("taken for good")
    except DataError as fault:
        said = fault.message.split(f"{NAME}: ")[-1].strip()
    except Exception as fault:  # noqa: BLE001 - what must not be
        wrong.append(f"{type(fault).__name__}: {fault}")
    left = [path.name for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) << 10
    if left:
        wrong.append(f"left {left}")
    if peak > len(content) + ROOM:
        wrong.append(f"{peak} bytes on the disk")
    if grown > 64 << 20:
        wrong.append(f"{grown} bytes of memory")
    taken = round(time.monotonic() - begun, 2)
    return {"said": said, "seconds": taken, "disk": peak, "memory": grown, "wrong": wrong}


def answer(body: bytes, length: int | None = None, **headers: str) -> Answer:
    """Return an answer of status 200 with that body, and a length before it that may lie."""

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
    """Return an answer that says ``before``, and then a piece again and again."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(before)
        while True:
            handler.wfile.write(piece)
            time.sleep(pause)

    return reply


def redirect(target: str) -> Answer:
    """Return an answer that leads elsewhere."""

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
    "chunks that are none": endless(b"zz\r\n", before=CHUNKED),
    "endless headers": endless(b"X-More: 1\r\n", before=b"HTTP/1.0 200 OK\r\n"),
    "endless header line": endless(b"x" * 65536, before=b"HTTP/1.0 200 OK\r\nX: "),
    "no HTTP": endless(b"\0\xff" * 100, before=b""),
    "gzip bomb": answer(BOMB, len(BOMB)),
    "gzip bomb as an encoding": answer(BOMB, None, Content_Encoding="gzip"),
    "right size, gzip bomb as an encoding": answer((BOMB * 9)[: len(CONTENT)], len(CONTENT), Content_Encoding="gzip"),
    "web page": answer(HTML, len(HTML), Content_Type="text/html"),
    "web page without a length": answer(HTML),
    "wrong content of the right size": answer(bytes(len(CONTENT)), len(CONTENT)),
    "length too large": answer(CONTENT, len(CONTENT) + 1),
    "length too small": answer(CONTENT, len(CONTENT) - 1),
    "length of no number": answer(CONTENT + b"x", None, Content_Length="-1"),
    "one byte more": answer(CONTENT + b"x"),
    "redirect in a ring": redirect(f"/{NAME}"),
    "redirect to a file": redirect("file:///etc/passwd"),
    "redirect to ftp": redirect("ftp://127.0.0.1/x"),
    "redirect to nowhere": redirect("http://[x"),
    "drips a body": endless(b"x", 0.05),
    "drips headers": endless(b"X-Drip: 1\r\n", 0.05, before=b"HTTP/1.0 200 OK\r\n"),
    "silence": endless(b"", 1.0, before=b""),
}


def attacks() -> dict[str, Any]:
    """Fetch from a server that answers in every hostile way, and return what came of each."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PENSTROKE_DATA"] = folder
        for name, reply in ATTACKS.items():
            with serving() as web:
                web.pages[f"/{NAME}"] = reply
                found[name] = _refused(web, CONTENT)
            print(f"{'WRONG' if found[name]['wrong'] else 'ok':6}{found[name]['seconds']:6.2f} s  {name}", flush=True)
    return found


def main(rounds: int = 100, processes: int = 16) -> int:
    """Run the campaign, print and keep its figures, and return 0 if all went well."""
    from benchmarks.conditions import keep

    for name in ("PENSTROKE_MIRROR", "PENSTROKE_OFFLINE", "http_proxy", "HTTP_PROXY"):
        os.environ.pop(name, None)
    raced = race(rounds, processes)
    if (raced["longest_wait_s"] or 0) > PATIENCE:
        raced["wrong"].append(f"the others went on after {raced['longest_wait_s']} s")
    print(raced)
    cut = cuts(CONTENT[:600])
    print(f"cut at every byte: {cut}")
    attacked = attacks()
    slowest = max(found["seconds"] for found in attacked.values())
    limits = {"stall_s": transfer.STALL_LIMIT, "answer_s": transfer.ANSWER_LIMIT, "read_s": transfer.READ_TIMEOUT}
    wrong = [*raced["wrong"], *cut["wrong"], *(what for found in attacked.values() for what in found["wrong"])]
    print(f"{len(attacked)} hostile answers, the slowest refused after {slowest} s; wrong: {wrong or 'nothing'}")
    keep("reliability-fetch", {"race": raced, "cut": cut, "limits": limits, "attacks": attacked})
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
