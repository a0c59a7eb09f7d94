"""Whether the control service of Ray (``gcs_server``) answers. Does not import Ray.

Ray's client waits for a service that has ended, and after a minute ends its own process without an error. Here, the
main thread gets an exception before.
"""

import signal
import socket
import threading
import time
from types import FrameType, TracebackType

EVERY = 1.0
"""Seconds between two connections, and for each of them."""
LIMIT_HERE, LIMIT_CLUSTER = 5.0, 45.0
"""Seconds without an answer after which the service is taken to have ended: on this machine, where nothing starts it
again, and of a cluster, whose manager may. Ray gives up after 60 s."""
_SIGNAL = getattr(signal, "SIGUSR2", signal.SIGINT)


class ServiceLost(BaseException):
    """The control service does not answer. It is not an ``Exception``, so that Ray does not catch it."""


class Watch:
    """Watches the control service of Ray within a block. In another thread than the main one it does nothing.

    Args:
        address: host and port of the service.
        limit: seconds without an answer after which ``ServiceLost`` is raised in the main thread.
    """

    def __init__(self, address: str, limit: float) -> None:
        host, _, port = address.rpartition(":")
        self._target, self._limit = (host.strip("[]"), int(port)), limit
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch of Ray", daemon=True)

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(_SIGNAL, _raise)
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.ident:  # it was started
            self._end.set()
            self._thread.join()
            signal.signal(_SIGNAL, self._before)

    def _answers(self) -> bool:
        """Return whether the service accepts a connection."""
        try:
            socket.create_connection(self._target, EVERY).close()
        except OSError:
            return False
        return True

    def _run(self) -> None:
        answered = time.monotonic()
        while not self._end.wait(EVERY):
            if self._answers():
                answered = time.monotonic()
            elif time.monotonic() - answered > self._limit:
                # A signal wakes the main thread, also while it waits for a lock.
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
                return


def _raise(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
    raise ServiceLost
