"""Hostile clients: what they get is bounded, has no internals, and disturbs nobody else."""

import json
import os
import random
import signal
import struct
import time
import zlib
from contextlib import suppress

import pytest
from support.server import Server

INTERNALS = (b"Traceback", b"site-packages", b'File "', b"0x7f", b"penstroke/", b"Error:")
PICTURE = b"POST /v1/predict HTTP/1.1\r\nHost: a\r\n"
MALFORMED = [
    b"\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%ff%00%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET / HTTP/1.1\r\nX : a\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: a\r\n" % i for i in range(5000)) + b"\r\n",
    PICTURE + b"Content-Length: -1\r\n\r\n",
    PICTURE + b"Content-Length: 5, 6\r\n\r\nabcde",
    PICTURE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    PICTURE + b"Content-Length: 99999999999999999999999\r\n\r\n",
    PICTURE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
    PICTURE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    PICTURE + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    PICTURE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    PICTURE + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
    PICTURE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh\r\n0\r\n\r\n",
    PICTURE + b"Content-Length: 3\r\nExpect: 200-maybe\r\n\r\nabc",
    b"POST /v1/predict?view=7&view[]=\xff HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
    b"POST /v1/predict-batch HTTP/1.1\r\nX-Shape: 9,9,9\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Length: 1\r\n\r\na",
    b"POST /v1/corrections?label=../../x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"DELETE /v1/predict HTTP/1.1\r\nHost: a\r\n\r\n",
]


def checked(answer: bytes) -> None:
    """Assert that an answer is no server error, and shows no internals."""
    for part in answer.split(b"HTTP/1.1 ")[1:]:
        assert part[:1] in b"1234" or part.startswith(b"503"), part
    assert not any(word in answer for word in INTERNALS), answer


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_requests_are_rejected(server: Server, data: bytes) -> None:
    checked(server.raw(data))
    assert server.get("/healthz")[0] == 200


def test_a_second_request_cannot_be_hidden_in_a_body(server: Server) -> None:
    hidden = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = server.raw(PICTURE + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"status": "ok"' not in answer


def mutated(count: int, seed: int) -> list[bytes]:
    """Return requests with random bytes changed, inserted and removed."""
    generator = random.Random(seed)
    requests = []
    for _ in range(count):
        data = bytearray(generator.choice(MALFORMED)[:2000])
        for _ in range(generator.randint(1, 8)):
            place = generator.randrange(len(data) + 1)
            data[place : place + generator.randint(0, 2)] = generator.randbytes(generator.randint(0, 3))
        requests.append(bytes(data))
    return requests


def growth(server: Server, count: int) -> int:
    """Send mutated requests, assert that all answers are clean, and return by how many bytes the memory grows."""
    before = resident(server.process.pid)
    for data in mutated(count, seed=1):
        with server.connect() as connection:
            connection.settimeout(0.02)
            answer = b""
            with suppress(TimeoutError, ConnectionError):
                connection.sendall(data)
                while piece := connection.recv(65536):
                    answer += piece
            checked(answer)
    assert server.get("/readyz")[0] == 200
    return resident(server.process.pid) - before


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_mutated_requests(server: Server) -> None:
    assert growth(server, 100) < 50e6


@pytest.mark.campaign
def test_ten_thousand_mutated_requests(server: Server) -> None:
    assert growth(server, 10_000) < 50e6


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))


def bomb(side: int) -> bytes:
    """Return a PNG that claims ``side`` x ``side`` pixels, with little data."""
    header = chunk(b"IHDR", struct.pack("!IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "picture",
    [bomb(50_000), bomb(5000), bomb(100)[:60], b"GIF89a" + b"\xff" * 500, b"BM" + bytes(60), b"RIFF\0\0\0\0WEBPVP8 "],
    ids=range(6),
)
def test_hostile_pictures_are_rejected(server: Server, picture: bytes) -> None:
    status, answer = server.post("/v1/predict", picture)
    assert (status, answer["code"]) == (422, "invalid-picture")
    checked(json.dumps(answer).encode())


def test_a_picture_of_too_many_pixels_is_rejected_by_its_header(server: Server) -> None:
    assert "megapixels" in server.post("/v1/predict", bomb(50_000))[1]["detail"]


def test_large_bodies_are_rejected_before_they_are_read(server: Server) -> None:
    answer = server.raw(PICTURE + b"Content-Length: 99999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    assert b" 413 " in server.raw(PICTURE + b"Transfer-Encoding: chunked\r\n\r\n" + 40 * piece)


def test_a_killed_worker_is_replaced(server: Server, photo: bytes) -> None:
    before = set(server.workers())
    assert len(before) == 2
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    assert server.post("/v1/predict", photo)[1]["label"] == "8"
    deadline = time.monotonic() + 20
    while len(after := set(server.workers())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(after) == 2
    assert not after & before


def test_a_worker_cannot_open_files(server: Server) -> None:
    for worker in server.workers():
        with open(f"/proc/{worker}/limits", encoding="ascii") as file:
            limits = {line[:26].strip(): line[26:].split() for line in file}
        assert int(limits["Max open files"][0]) <= 16
        assert limits["Max file size"][0] == "0"
        assert limits["Max address space"][0] != "unlimited"


def test_corrections_need_a_known_label_and_the_own_origin(server: Server, digits: list[bytes]) -> None:
    folder = server.log.parent / "corrections"
    before = set(folder.rglob("*.*"))
    assert server.post("/v1/corrections?label=7", digits[0])[0] == 201
    assert server.post("/v1/corrections?label=../7", digits[0])[1]["code"] == "invalid-label"
    assert (
        server.post("/v1/corrections?label=7", digits[0], origin="https://evil.test")[1]["code"] == "forbidden-origin"
    )
    assert server.post("/v1/corrections?label=7", digits[0], origin="https://allowed.test")[0] == 201
    stored = set(folder.rglob("*.*")) - before
    assert [path.parent.name for path in stored] == ["7"]


def test_cors_is_closed_by_default(server: Server) -> None:
    for origin, allowed in (("https://evil.test", None), ("https://allowed.test", "https://allowed.test")):
        _, headers, _ = server.request("GET", "/v1/model", origin=origin)
        assert headers["access-control-allow-origin"] == allowed
        assert headers["x-content-type-options"] == "nosniff"
