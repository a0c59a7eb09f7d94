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
from filelock import FileLock
from support.web import Answer, Web

from penstroke.data import fetch, transfer
from penstroke.data.catalog import CARDS, DatasetCard, RemoteFile
from penstroke.data.fetch import cached, data_folder, ensure
from penstroke.errors import DataError, UsageError
from penstroke.storage import disk

CONTENT = bytes(range(256)) * 400
NAME = "train-images-idx3-ubyte.gz"
sent_completely = Event()
HTML = b"<!DOCTYPE html><title>Log in to the wireless network</title>"


def a_file(**changes: Any) -> RemoteFile:
    file = RemoteFile(NAME, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
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


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def message_of_failure(card: DatasetCard) -> str:
    with pytest.raises(DataError) as caught:
        ensure(card)
    assert "PENSTROKE_DATA" in caught.value.remedy
    assert "--data mnist5k" in caught.value.remedy
    return caught.value.message


def test_a_file_is_downloaded_once_and_checked_every_time(
    web: Web, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", f"{web.url}/base")
    web.pages[f"/base/{NAME}"] = CONTENT
    calls = []
    card = a_card()
    assert not cached(card, NAME)
    for _ in range(2):
        paths = ensure(card, progress=lambda *news: calls.append(news))
    assert paths == {NAME: root / "toy" / NAME}
    assert paths[NAME].read_bytes() == CONTENT
    assert web.hits[f"/base/{NAME}"] == 1
    assert calls[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert cached(card, NAME)
    paths[NAME].write_bytes(bytes(len(CONTENT)))
    ensure(card)
    assert paths[NAME].read_bytes() == CONTENT
    assert files_in(root) == {NAME, f"{NAME}.rejected"}


def test_the_users_mirror_may_have_a_folder_for_each_card(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", web.url)
    web.pages[f"/toy/{NAME}"] = CONTENT
    assert ensure(a_card())[NAME].read_bytes() == CONTENT


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


def truncated(handler: BaseHTTPRequestHandler) -> None:
    header(handler, ("Content-Length", str(len(CONTENT))))
    handler.wfile.write(CONTENT[:5000])


def endless(handler: BaseHTTPRequestHandler) -> None:
    header(handler)
    for _ in range(2000):  # 200 MB: enough to detect a client that does not stop reading
        handler.wfile.write(CONTENT)
    sent_completely.set()


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


INVALID_ANSWERS = {
    "wrong hash": (bytes(len(CONTENT)), f", {hashlib.sha256(CONTENT).hexdigest()} expected"),
    "HTML page": (HTML, f"{len(HTML)} bytes of unknown type offered, {len(CONTENT)} expected"),
    "HTML page without a length": (without_length(HTML), f"{len(HTML)} bytes of an HTML or XML page received"),
    "empty": (without_length(b""), "0 bytes of other data received"),
    "truncated": (truncated, "5000 bytes read, 97400 more expected"),
    "one byte more": (without_length(CONTENT + b"x"), f"more than {len(CONTENT)} bytes of other data received"),
    "endless": (endless, f"more than {len(CONTENT)} bytes"),
    "missing page": (None, "HTTP 404"),
    "server error": (lambda handler: handler.send_error(503), "HTTP 503"),
    "redirect loop": (lambda handler: header(handler, ("Location", handler.path), status=302), "redirects"),
    "redirect to a file": (
        lambda handler: header(handler, ("Location", "file:///etc/passwd"), status=302),
        "redirected to file:///etc/passwd, which is not http or https",
    ),
    "redirect to an invalid URL": (
        lambda handler: header(handler, ("Location", "http://[x"), status=302),
        "ValueError",
    ),
    "silent": (silent, "Read timed out"),
    "dripping headers": (dripping_headers, "no answer within 1 s"),
    "dripping body": (dripping_body, "stalled"),
}


@pytest.mark.parametrize(("answer", "reason"), INVALID_ANSWERS.values(), ids=INVALID_ANSWERS)
def test_an_invalid_answer_is_reported_and_not_used(
    web: Web, root: Path, monkeypatch: pytest.MonkeyPatch, answer: Any, reason: str
) -> None:
    monkeypatch.setattr(transfer, "STALL_LIMIT", 0.3)
    if answer is not None:
        web.pages[f"/{NAME}"] = answer
    message = message_of_failure(a_card(f"{web.url}/"))
    assert f"{web.url}/{NAME}: " in message
    assert reason in message
    assert files_in(root) == set()
    assert not sent_completely.is_set(), "an endless body was read to its end"


def test_the_next_mirror_is_used_and_every_failure_is_listed(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", f"{web.url}/none")
    web.pages |= {f"/cut/{NAME}": truncated, f"/wrong/{NAME}": bytes(len(CONTENT))}
    bad = (f"{web.url}/cut/", f"{web.url}/wrong/")
    message = message_of_failure(a_card(*bad))
    assert message.count("\n  - ") == 1 + 4
    web.pages[f"/good/{NAME}"] = CONTENT
    assert ensure(a_card(*bad, f"{web.url}/good/"))[NAME].read_bytes() == CONTENT


def test_a_redirect_is_followed(web: Web) -> None:
    web.pages[f"/{NAME}"] = lambda handler: header(handler, ("Location", "/elsewhere"), status=302)
    web.pages["/elsewhere"] = CONTENT
    assert ensure(a_card(f"{web.url}/"))[NAME].read_bytes() == CONTENT


def test_a_redirect_never_leaves_https() -> None:
    assert transfer._next_hop("https://a.org/x", "/y") == "https://a.org/y"
    assert transfer._next_hop("https://a.org/x", "https://b.org/y") == "https://b.org/y"
    assert transfer._next_hop("http://a.org/x", "http://b.org/y") == "http://b.org/y"
    for location in ("http://a.org/x", "ftp://a.org/x", "file:///x"):
        with pytest.raises(transfer.FetchError, match="which is not https"):
            transfer._next_hop("https://a.org/x", location)


def test_a_refused_connection_is_reported() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        message = message_of_failure(a_card(f"http://127.0.0.1:{closed.getsockname()[1]}/"))
    assert "Connection refused" in message


def test_a_name_resolution_that_blocks_is_aborted(monkeypatch: pytest.MonkeyPatch) -> None:
    released = Event()
    monkeypatch.setattr(transfer, "PROBE_LIMIT", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: released.wait(20) and [])
    message = message_of_failure(a_card("https://one.invalid/", "https://two.invalid/"))
    assert "no answer from one.invalid within 0.2 s" in message
    assert "no answer from two.invalid within 0.2 s" in message
    released.set()


def test_a_missing_network_is_reported_within_ten_seconds() -> None:
    assert transfer.PROBE_LIMIT + transfer.CONNECT_TIMEOUT < 10


def test_the_connection_to_a_proxy_is_checked_instead_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transfer._host("https://a.org/x") == ("a.org", 443)
    assert transfer._host("http://a.org:81/x") == ("a.org", 81)
    monkeypatch.setenv("https_proxy", "http://proxy.local:3128")
    assert transfer._host("https://a.org/x") == ("proxy.local", 3128)


@pytest.mark.parametrize("mirror", ["a.org/mnist", "ftp://a.org/", "http://"])
def test_a_mirror_that_is_not_a_base_url_is_rejected(monkeypatch: pytest.MonkeyPatch, mirror: Any) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", mirror)
    with pytest.raises(UsageError, match="PENSTROKE_MIRROR is"):
        ensure(a_card())


def test_nothing_is_requested_offline(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTROKE_MIRROR", web.url)
    monkeypatch.setenv("PENSTROKE_OFFLINE", "1")
    web.pages[f"/{NAME}"] = CONTENT
    assert "PENSTROKE_OFFLINE is set" in message_of_failure(a_card())
    assert not web.hits
    monkeypatch.setenv("PENSTROKE_OFFLINE", "0")
    ensure(a_card())


def test_a_flat_read_only_folder_is_used(root: Path) -> None:
    root.mkdir()
    (root / NAME).write_bytes(CONTENT)
    root.chmod(0o555)
    assert ensure(a_card()) == {NAME: root / NAME}
    assert [path.name for path in root.iterdir()] == [NAME]


def test_a_file_of_another_dataset_with_the_same_name_is_ignored_and_reported(root: Path) -> None:
    root.mkdir()
    (root / NAME).write_bytes(CONTENT[:-1])
    assert f"{root / NAME}: {len(CONTENT) - 1} bytes of other data" in message_of_failure(a_card())
    assert "(ignored)" in message_of_failure(a_card())
    assert (root / NAME).exists()


def test_a_file_that_another_card_shares_is_used(root: Path) -> None:
    path = root / "emnist-digits" / "gzip.zip"
    path.parent.mkdir(parents=True)
    path.touch()
    assert "emnist-digits/gzip.zip: 0 bytes" in message_of_failure(replace(CARDS["emnist-letters"], mirrors=()))


def test_a_folder_that_cannot_be_created_is_reported(root: Path) -> None:
    root.write_bytes(b"a file with the name of the folder")
    assert f"Cannot write {root / 'toy'}" in message_of_failure(a_card())


def test_a_full_disk_is_not_reported_as_a_failing_mirror(web: Web, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    web.pages[f"/{NAME}"] = CONTENT
    message = message_of_failure(a_card(f"{web.url}/"))
    assert "No space left on device" in message
    assert files_in(root) == set()


def test_partial_files_of_killed_processes_are_removed_through_storage(web: Web, root: Path) -> None:
    web.pages[f"/{NAME}"] = CONTENT
    partial = root / "toy" / f".{NAME}.12345.partial"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(CONTENT[:10])
    operations: list[disk.Operation] = []
    with disk.watched(operations.append):
        ensure(a_card(f"{web.url}/"))
    assert partial in [operation.path for operation in operations if operation.kind == "unlink"]
    assert files_in(root) == {NAME}


def test_many_processes_download_once(web: Web, root: Path) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        header(handler)
        time.sleep(0.2)
        handler.wfile.write(CONTENT)

    web.pages[f"/{NAME}"] = slow
    card = a_card(f"{web.url}/")
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(ensure, [card] * 6))
    assert found == [{NAME: root / "toy" / NAME}] * 6
    assert web.hits[f"/{NAME}"] == 1


def test_waiting_for_another_process_is_reported(web: Web, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "LOCK_REPORT_DELAY", 0.05)
    web.pages[f"/{NAME}"] = CONTENT
    reported = Event()

    def progress(name: str, so_far: int, total: int | None) -> None:
        if "waiting for another process" in name:
            reported.set()

    (root / "toy").mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(root / "toy" / f".{NAME}.lock"):
            waiting = pool.submit(ensure, a_card(f"{web.url}/"), progress=progress)
            assert reported.wait(2)
            assert not waiting.done()
        assert waiting.result(5)[NAME].read_bytes() == CONTENT


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert data_folder() == root
    monkeypatch.setenv("PENSTROKE_DATA", "~/sets")
    assert data_folder().parts[-1] == "sets"
    assert data_folder().is_absolute()
    monkeypatch.setenv("PENSTROKE_DATA", "")
    assert "penstroke" in str(data_folder())


def test_imported_files_are_checked_then_copied(tmp_path: Path, root: Path) -> None:
    card = a_card()
    with pytest.raises(DataError, match=f"{NAME}: missing"):
        fetch.import_files(card, tmp_path)
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=f"{NAME}: {len(CONTENT) - 1} bytes"):
        fetch.import_files(card, tmp_path)
    assert not root.exists()
    (tmp_path / NAME).write_bytes(CONTENT)
    assert fetch.import_files(card, tmp_path) == {NAME: root / "toy" / NAME}
    assert (root / "toy" / NAME).read_bytes() == CONTENT
