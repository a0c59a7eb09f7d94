import errno
import hashlib
import multiprocessing
import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from conftest import Answer, Web
from filelock import FileLock

from penstroke.data import fetch, transfer
from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.data.fetch import data_folder, obtain, present
from penstroke.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 400
NAME = "train-images-idx3-ubyte.gz"
ended = Event()
HTML = b"<!DOCTYPE html><title>Log in to the wireless network</title>"


def a_file(**changes: Any) -> RemoteFile:
    file = RemoteFile(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), None)
    return replace(file, **changes)


def a_card(*mirrors: str, **changes: Any) -> DatasetCard:
    return replace(CARDS["mnist"], name="toy", title="Toy", files=(a_file(**changes),), mirrors=mirrors)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PENSTROKE_MIRROR", "PENSTROKE_OFFLINE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PENSTROKE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(transfer, "READ_TIMEOUT", 0.3)
    monkeypatch.setattr(transfer, "ANSWER_LIMIT", 1.0)
    return tmp_path / "data"


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def refusal(card: DatasetCard) -> str:
    with pytest.raises(DataError) as caught:
        obtain(card)
    assert "PENSTROKE_DATA" in caught.value.remedy
    assert "--data mnist5k" in caught.value.remedy
    return caught.value.message


def test_a_file_is_fetched_once_and_always_checked(web: Web, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", f"{web.url}/base")
    web.pages[f"/base/{NAME}"] = CONTENT
    heard = []
    card = a_card()
    assert not present(card, NAME)
    for _ in range(2):
        paths = obtain(card, progress=lambda *news: heard.append(news))
    assert paths == {NAME: root / "toy" / NAME}
    assert paths[NAME].read_bytes() == CONTENT
    assert web.hits[f"/base/{NAME}"] == 1
    assert heard[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert present(card, NAME)
    paths[NAME].write_bytes(bytes(len(CONTENT)))
    obtain(card)
    assert paths[NAME].read_bytes() == CONTENT
    assert left_in(root) == {NAME, f"{NAME}.rejected"}


def test_the_users_mirror_may_have_a_folder_for_each_card(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", web.url)
    web.pages[f"/toy/{NAME}"] = CONTENT
    assert obtain(a_card())[NAME].read_bytes() == CONTENT


def header(handler: BaseHTTPRequestHandler, *pairs: tuple[str, str], status: int = 200) -> None:
    handler.send_response(status)
    for name, value in pairs:
        handler.send_header(name, value)
    handler.end_headers()


def without_length(content: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        header(handler)
        handler.wfile.write(content)

    return answer


def cut(handler: BaseHTTPRequestHandler) -> None:
    header(handler, ("Content-Length", str(len(CONTENT))))
    handler.wfile.write(CONTENT[:5000])


def endless(handler: BaseHTTPRequestHandler) -> None:
    header(handler)
    for _ in range(2000):  # 200 MB: endless enough to tell whether the client stops reading
        handler.wfile.write(CONTENT)
    ended.set()


def silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


def dripping_headers(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n")
    while True:
        handler.wfile.write(b"X-Drip: 1\r\n")
        time.sleep(0.1)


def dripping_body(handler: BaseHTTPRequestHandler) -> None:
    header(handler)
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


BAD_ANSWERS = {
    "wrong hash": (bytes(len(CONTENT)), f"came, {hashlib.sha256(CONTENT).hexdigest()} expected"),
    "HTML page": (HTML, f"{len(HTML)} bytes of unknown type are offered, {len(CONTENT)} expected"),
    "HTML page without a length": (without_length(HTML), f"{len(HTML)} bytes of an HTML or XML page came"),
    "empty": (without_length(b""), "0 bytes of other data came"),
    "cut": (cut, "5000 bytes read, 97400 more expected"),
    "one byte more": (without_length(CONTENT + b"x"), f"more than {len(CONTENT)} bytes of other data came"),
    "endless": (endless, f"more than {len(CONTENT)} bytes"),
    "nobody there": (None, "HTTP 404"),
    "server fault": (lambda handler: handler.send_error(503), "HTTP 503"),
    "redirect in a ring": (lambda handler: header(handler, ("Location", handler.path), status=302), "redirects"),
    "redirect to a file": (
        lambda handler: header(handler, ("Location", "file:///etc/passwd"), status=302),
        "redirected to file:///etc/passwd, which is not http or https",
    ),
    "redirect to nonsense": (lambda handler: header(handler, ("Location", "http://[x"), status=302), "ValueError"),
    "silent": (silent, "Read timed out"),
    "dripping headers": (dripping_headers, "no answer within 1 s"),
    "dripping body": (dripping_body, "stalled"),
}


@pytest.mark.parametrize(("answer", "said"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_named_and_never_used(
    web: Web, root: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, said: str
) -> None:
    monkeypatch.setattr(transfer, "STALL_LIMIT", 0.3)
    if answer is not None:
        web.pages[f"/{NAME}"] = answer
    begun = time.monotonic()
    message = refusal(a_card(f"{web.url}/"))
    assert f"{web.url}/{NAME}: " in message
    assert said in message
    assert left_in(root) == set()
    assert time.monotonic() - begun < 3
    assert not ended.is_set(), "an endless body was read to its end"


def test_the_next_mirror_helps_and_every_fault_is_listed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", f"{web.url}/none")
    web.pages |= {f"/cut/{NAME}": cut, f"/wrong/{NAME}": bytes(len(CONTENT))}
    bad = (f"{web.url}/cut/", f"{web.url}/wrong/")
    message = refusal(a_card(*bad))
    assert message.count("\n  - ") == 1 + 4
    web.pages[f"/good/{NAME}"] = CONTENT
    assert obtain(a_card(*bad, f"{web.url}/good/"))[NAME].read_bytes() == CONTENT


def test_a_redirect_to_another_place_is_followed(web: Web) -> None:
    web.pages[f"/{NAME}"] = lambda handler: header(handler, ("Location", "/elsewhere"), status=302)
    web.pages["/elsewhere"] = CONTENT
    assert obtain(a_card(f"{web.url}/"))[NAME].read_bytes() == CONTENT


def test_a_redirect_never_leaves_https() -> None:
    assert transfer._next_hop("https://a.org/x", "/y") == "https://a.org/y"
    assert transfer._next_hop("https://a.org/x", "https://b.org/y") == "https://b.org/y"
    assert transfer._next_hop("http://a.org/x", "http://b.org/y") == "http://b.org/y"
    for location in ("http://a.org/x", "ftp://a.org/x", "file:///x"):
        with pytest.raises(transfer.FetchError, match="which is not https"):
            transfer._next_hop("https://a.org/x", location)


def test_a_size_that_nobody_knows_is_capped(web: Web) -> None:
    web.pages[f"/{NAME}"] = without_length(CONTENT)
    assert "more than 1000 bytes" in refusal(a_card(f"{web.url}/", size=None, max_size=1000))
    assert obtain(a_card(f"{web.url}/", size=None))[NAME].read_bytes() == CONTENT


def test_an_md5_counts_where_there_is_no_sha256(web: Web) -> None:
    web.pages[f"/{NAME}"] = CONTENT
    assert f"MD5 {hashlib.md5(CONTENT).hexdigest()} came" in refusal(a_card(f"{web.url}/", sha256=None, md5="0" * 32))
    good = a_card(f"{web.url}/", sha256=None, md5=hashlib.md5(CONTENT).hexdigest())
    assert obtain(good)[NAME].read_bytes() == CONTENT


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        message = refusal(a_card(f"http://127.0.0.1:{closed.getsockname()[1]}/"))
    assert "Connection refused" in message


def test_a_name_resolution_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Event()
    monkeypatch.setattr(transfer, "PROBE_LIMIT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: ended.wait(20) and [])
    begun = time.monotonic()
    message = refusal(a_card("https://one.invalid/", "https://two.invalid/"))
    assert time.monotonic() - begun < 1
    assert "no answer from one.invalid within 0.2 s" in message
    assert "no answer from two.invalid within 0.2 s" in message
    ended.set()


def test_that_there_is_no_network_is_known_within_ten_seconds() -> None:
    assert transfer.PROBE_LIMIT + transfer.CONNECT_TIMEOUT < 10


def test_a_proxy_is_what_has_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transfer._host("https://a.org/x") == ("a.org", 443)
    assert transfer._host("http://a.org:81/x") == ("a.org", 81)
    monkeypatch.setenv("https_proxy", "http://proxy.local:3128")
    assert transfer._host("https://a.org/x") == ("proxy.local", 3128)


@pytest.mark.parametrize("mirror", ["a.org/mnist", "ftp://a.org/", "http://"])
def test_a_mirror_that_is_no_base_url_is_refused(monkeypatch: pytest.MonkeyPatch, mirror: Any) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", mirror)
    with pytest.raises(UsageError, match="PENSTROKE_MIRROR is"):
        obtain(a_card())


def test_offline_asks_nobody(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", web.url)
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    web.pages[f"/{NAME}"] = CONTENT
    assert "PENSTROKE_OFFLINE is set" in refusal(a_card())
    assert not web.hits
    monkeypatch.setenv("PENSTROKE_OFFLINE", "0")
    obtain(a_card())


def test_a_flat_folder_that_cannot_be_written_serves(root: Path) -> None:
    root.mkdir()
    (root / NAME).write_bytes(CONTENT)
    root.chmod(0o555)
    assert obtain(a_card()) == {NAME: root / NAME}
    assert [path.name for path in root.iterdir()] == [NAME]


def test_a_namesake_of_another_dataset_is_passed_over_but_mentioned(root: Path) -> None:
    root.mkdir()
    (root / NAME).write_bytes(CONTENT[:-1])
    assert f"{root / NAME}: {len(CONTENT) - 1} bytes of other data" in refusal(a_card())
    assert "(passed over)" in refusal(a_card())
    assert (root / NAME).exists()


def test_a_file_that_another_card_shares_is_used(root: Path) -> None:
    path = root / "emnist-digits" / "gzip.zip"
    path.parent.mkdir(parents=True)
    path.touch()
    assert "emnist-digits/gzip.zip: 0 bytes" in refusal(replace(CARDS["emnist-letters"], mirrors=()))


def test_a_folder_that_cannot_be_made_is_named(root: Path) -> None:
    root.write_bytes(b"a file where the folder should be")
    assert f"Cannot write {root / 'toy'}" in refusal(a_card())


def test_a_full_disk_is_not_taken_for_a_bad_mirror(web: Web, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    web.pages[f"/{NAME}"] = CONTENT
    message = refusal(a_card(f"{web.url}/"))
    assert "No space left on device" in message
    assert left_in(root) == set()


def test_many_processes_download_once(web: Web, root: Path) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        header(handler)
        time.sleep(0.2)
        handler.wfile.write(CONTENT)

    web.pages[f"/{NAME}"] = slow
    card = a_card(f"{web.url}/")
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(obtain, [card] * 6))
    assert found == [{NAME: root / "toy" / NAME}] * 6
    assert web.hits[f"/{NAME}"] == 1


def test_waiting_for_another_process_is_said_aloud(web: Web, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LOCK_PATIENCE", 0.05)
    web.pages[f"/{NAME}"] = CONTENT
    heard = Event()

    def progress(name: str, so_far: int, total: int | None) -> None:
        if "waiting for another process" in name:
            heard.set()

    (root / "toy").mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(root / "toy" / f".{NAME}.lock"):
            waiting = pool.submit(obtain, a_card(f"{web.url}/"), progress=progress)
            assert heard.wait(2)
            assert not waiting.done()
        assert waiting.result(5)[NAME].read_bytes() == CONTENT


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert data_folder() == root
    monkeypatch.setenv("PENSTROKE_DATA", "~/sets")
    assert data_folder().parts[-1] == "sets"
    assert data_folder().is_absolute()
    monkeypatch.setenv("PENSTROKE_DATA", "")
    assert "penstroke" in str(data_folder())


def test_files_brought_from_elsewhere_are_checked_then_copied(tmp_path: Path, root: Path) -> None:
    card = a_card()
    with pytest.raises(DataError, match=f"{NAME}: missing"):
        fetch.bring(card, tmp_path)
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=f"{NAME}: {len(CONTENT) - 1} bytes"):
        fetch.bring(card, tmp_path)
    assert not root.exists()
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch.bring(card, tmp_path) == {NAME: root / "toy" / NAME}
    assert (root / "toy" / NAME).read_bytes() == CONTENT
