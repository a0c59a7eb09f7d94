"""The watch of Ray's control service."""

import signal
import socket
import threading
import time
from queue import Queue

import pytest

from penstroke.scale import cluster
from penstroke.scale.cluster import ServiceLost, Watch

LIMIT = 0.3


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    """Return a listening socket in the place of the service."""
    monkeypatch.setattr(cluster, "EVERY", 0.05)
    return socket.create_server(("127.0.0.1", 0))


def address(service: socket.socket) -> str:
    host, port = service.getsockname()
    return f"{host}:{port}"


def test_a_service_that_ends_wakes_the_main_thread(service: socket.socket) -> None:
    before = signal.getsignal(cluster._SIGNAL)
    watch = Watch(address(service), LIMIT)
    threading.Timer(0.2, service.close).start()
    with pytest.raises(ServiceLost), watch:
        Queue[None]().get(timeout=30)
    assert signal.getsignal(cluster._SIGNAL) == before


def test_a_service_that_answers_does_nothing(service: socket.socket) -> None:
    before = signal.getsignal(cluster._SIGNAL)
    with service, Watch(address(service), LIMIT):
        assert signal.getsignal(cluster._SIGNAL) != before, "the main thread is watched"
        time.sleep(3 * LIMIT)
    assert signal.getsignal(cluster._SIGNAL) == before


def test_an_interruption_below_the_limit_does_nothing(service: socket.socket) -> None:
    before = signal.getsignal(cluster._SIGNAL)
    port = service.getsockname()[1]
    with Watch(address(service), 5.0):
        service.close()
        time.sleep(0.2)
        with socket.create_server(("127.0.0.1", port)) as again:
            time.sleep(0.2)
            again.settimeout(5)
            connection, _ = again.accept()  # the watch has asked again
            connection.close()
    assert signal.getsignal(cluster._SIGNAL) == before


def test_other_threads_are_not_watched(service: socket.socket) -> None:
    ended: list[str] = []

    target = address(service)
    service.close()

    def work() -> None:
        with Watch(target, LIMIT):
            time.sleep(2 * LIMIT)
            ended.append("normally")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended == ["normally"]
