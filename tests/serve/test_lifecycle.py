"""Start, stop, reload, overload, token and rate of a server."""

import http.client
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from support.server import Server, running_server

from penstroke.models import bundled


class Load:
    """Clients that send one request after another until they are stopped or the server closes their connection."""

    def __init__(self, server: Server, picture: bytes, clients: int = 8) -> None:
        self.statuses: list[int] = []
        self.lost = 0
        self._stop = threading.Event()
        arguments = (server.port, picture)
        self._threads = [threading.Thread(target=self._run, args=arguments) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, port: int, picture: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self._stop.is_set():
            sent = False
            try:
                connection.request("POST", "/v1/predict", picture)
                sent = True
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                # The server may close an idle connection while a request is on its way; it is not accepted then.
                self.lost += sent
                break
            self.statuses.append(response.status)
            if response.headers["connection"] == "close":
                break
        connection.close()


def stopped_under_load(folder: Path, picture: bytes) -> Load:
    with running_server(folder) as server:
        load = Load(server, picture)
        while len(load.statuses) < 40:
            time.sleep(0.01)
        assert server.stop() == 128 + signal.SIGTERM
        load.finish()
        return load


def test_accepted_requests_are_answered_after_sigterm(tmp_path: Path, digits: list[bytes]) -> None:
    load = stopped_under_load(tmp_path, digits[0])
    assert set(load.statuses) == {200}
    assert load.lost == 0


@pytest.mark.campaign
def test_sigterm_a_hundred_times(tmp_path: Path, digits: list[bytes]) -> None:
    for _ in range(100):
        load = stopped_under_load(tmp_path, digits[0])
        assert (set(load.statuses), load.lost) == ({200}, 0)


def reload_under_load(folder: Path, picture: bytes, times: int) -> Load:
    model = folder / "digits.onnx"
    shutil.copyfile(bundled.ONNX, model)
    with running_server(folder, source=str(model)) as server:
        load = Load(server, picture, 4)
        for number in range(1, times + 1):
            before = set(server.workers())
            server.process.send_signal(signal.SIGHUP)
            wait_for(server, "model loaded", number)
            assert not before & set(server.workers())
        model.write_bytes(bundled.ONNX.read_bytes()[:-1000])
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, "model rejected", 1)
        assert server.post("/v1/predict", picture)[0] == 200
        load.finish()
        assert b'penstroke_reloads_total{result="rejected"} 1.0' in server.request("GET", "/metrics")[2]
        return load


def wait_for(server: Server, event: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while sum(row["event"] == event for row in server.events()) < count:
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.05)


def test_a_model_is_reloaded_without_a_lost_request_and_a_bad_one_is_rejected(
    tmp_path: Path, digits: list[bytes]
) -> None:
    load = reload_under_load(tmp_path, digits[0], 2)
    assert (set(load.statuses), load.lost) == ({200}, 0)


@pytest.mark.campaign
def test_reload_fifty_times(tmp_path: Path, digits: list[bytes]) -> None:
    load = reload_under_load(tmp_path, digits[0], 50)
    assert (set(load.statuses), load.lost) == ({200}, 0)


def test_a_token_and_a_rate_limit(tmp_path: Path, digits: list[bytes]) -> None:
    token = "0123456789abcdef"
    (tmp_path / "token").write_text(f"{token}\n")
    with running_server(tmp_path, "--token-file", "token", "--rate", "5", workers=1) as server:
        assert server.post("/v1/predict", digits[0])[1]["code"] == "unauthorized"
        assert server.post("/v1/predict", digits[0], authorization=f"Bearer {token[:-1]}")[0] == 401
        assert server.post("/v1/predict", digits[0], authorization=f"Bearer {token}")[0] == 200
        assert server.request("GET", "/metrics")[0] == 401
        assert server.get("/healthz")[0] == 200
        statuses = [server.post("/v1/predict", digits[0])[0] for _ in range(10)]
        assert set(statuses) <= {401, 429}
        assert statuses.count(429) >= 4
        assert {server.get(path)[0] for path in ("/healthz", "/readyz") for _ in range(10)} == {200}
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_an_overloaded_server_rejects_at_once_and_recovers(tmp_path: Path, photo: bytes) -> None:
    with running_server(tmp_path, workers=1) as server:
        load = Load(server, photo, 48)
        while len(load.statuses) < 150:
            time.sleep(0.01)
        load.finish()
        assert set(load.statuses) == {200, 503}
        assert server.post("/v1/predict", photo)[0] == 200
        assert server.get("/readyz")[0] == 200
        assert b'penstroke_rejections_total{reason="overloaded"}' in server.request("GET", "/metrics")[2]


def test_a_broken_model_and_a_used_port_are_errors_without_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with (
        pytest.raises(AssertionError) as raised,
        running_server(tmp_path, source=str(tmp_path / "bad.onnx")),
    ):
        pass
    assert "bad.onnx" in str(raised.value)
    assert "Traceback" not in str(raised.value)
    with running_server(tmp_path) as server:
        folder = tmp_path / "second"
        folder.mkdir()
        with pytest.raises(AssertionError, match="in use"), running_server(folder, port=server.port):
            pass
