"""Parts predicted by Ray Data, on this machine or on a cluster. Imports Ray.

A dataset of parts is mapped by actors; each opens the model once. Ray replaces an actor that has ended, and repeats its
part. Only descriptions of parts and of finished files pass through Ray: actors read the inputs and write the files.
"""

import json
import logging
import os
import platform
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory
from typing import Any

import ray
import ray.data
import ray.exceptions
from ray._private import services

from penstroke.errors import DataError, PenstrokeError, ProcessError
from penstroke.runtime import available_cores
from penstroke.scale.cluster import LIMIT_CLUSTER, LIMIT_HERE, ServiceLost, Watch
from penstroke.scale.job import Task
from penstroke.scale.parts import Part
from penstroke.scale.rows import PartFile

AHEAD = 2
"""Parts that an actor has at the same time, so that it does not wait for the next one."""
STORE_BYTES = 100 << 20
"""Memory for Ray's objects on one machine; only descriptions of parts are objects."""
CONNECT_SECONDS = 10.0
"""Seconds within which a cluster must answer."""


@dataclass(frozen=True)
class RayEngine:
    """Predicts parts with Ray Data.

    Args:
        address: address of a Ray cluster; None starts Ray on this machine for this job.
        workers: number of processes that predict; None for one per core of this machine or of the cluster.
    """

    address: str | None = None
    workers: int | None = None

    def __call__(self, task: Task, parts: Sequence[Part]) -> Generator[PartFile]:
        """Predict parts, and yield what was written for each, in any order.

        Raises:
            ProcessError: Ray cannot be started or reached, or has ended, or see ``Predictor``.
            PenstrokeError: an error of a process, see ``Predictor``.
        """
        with started(self.address, self.workers), _explained():
            cores = int(ray.cluster_resources().get("CPU", 1))
            rows = [{"part": _packed(part)} for part in parts]
            finished = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                _Actor,
                fn_constructor_args=(asdict(task),),
                compute=ray.data.ActorPoolStrategy(
                    size=min(self.workers or cores, len(rows)), max_tasks_in_flight_per_actor=AHEAD
                ),
                num_cpus=1,
            )
            for row in finished.iter_rows():
                values = json.loads(row["result"])
                if "error" in values:
                    raise PenstrokeError.from_json(values["error"])
                yield PartFile.from_json(values)


class _Actor:
    """Predicts parts in a process of Ray. Errors that a user can fix are returned, so that Ray does not wrap them."""

    def __init__(self, task: dict[str, Any]) -> None:
        from penstroke.scale.predictor import Predictor

        self._task = Task(**task)
        self._predictor = Predictor(self._task)

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        try:
            self._enter_folder()
            result = self._predictor(_unpacked(row["part"])).to_json()
        except PenstrokeError as error:
            result = {"error": error.to_json()}
        return {"result": json.dumps(result)}

    def _enter_folder(self) -> None:
        try:
            os.chdir(self._task.folder)
        except OSError as error:
            raise DataError(
                f"The folder {self._task.folder} cannot be opened on {platform.node()}: {error.strerror}.",
                "All machines of the cluster need the same folders, on a shared file system.",
            ) from error


@contextmanager
def started(address: str | None, workers: int | None) -> Iterator[None]:
    """Start Ray on this machine, or connect to a cluster, and end that after the block; use Ray if it is running.

    Raises:
        ProcessError: Ray cannot be started, the cluster cannot be reached, or its control service has ended.
    """
    if ray.is_initialized():
        yield
        return
    _silence()
    with TemporaryDirectory(prefix="penstroke-", ignore_cleanup_errors=True) as folder:
        try:
            with _explained_start(address), _own_handler(), _muted_stderr(), _loopback(address):
                _check_port(address or "")
                ray.init(
                    **({"address": address} if address else _here(workers or available_cores(), folder)),
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            service = ray.get_runtime_context().gcs_address
            with _explained_loss(), Watch(service, LIMIT_CLUSTER if address else LIMIT_HERE):
                yield
        finally:
            ray.shutdown()


@contextmanager
def _explained_loss() -> Iterator[None]:
    """Convert the exception of a control service that has ended."""
    try:
        yield
    except ServiceLost as lost:
        raise ProcessError(
            "The prediction ended because the control service of Ray (gcs_server) does not answer.",
            "The same command continues it. Start the cluster again before, if --address is given.",
        ) from lost


def _here(cores: int, folder: str) -> dict[str, Any]:
    """Return the arguments that start Ray on this machine, with its logs and sockets in a folder."""
    return {
        "address": "local",
        "num_cpus": cores,
        "_node_ip_address": "127.0.0.1",  # no other machine can connect
        "include_dashboard": False,
        "object_store_memory": STORE_BYTES,
        "_temp_dir": folder,
    }


@contextmanager
def _explained_start(address: str | None) -> Iterator[None]:
    """Convert the errors of the start of Ray, or of the connection to a cluster."""
    try:
        yield
    except Exception as error:  # Ray raises many classes, Exception itself among them
        if address is None:
            raise ProcessError(
                f"Ray cannot be started: {_first_line(error)}.", "Check memory and disk space."
            ) from error
        raise ProcessError(
            f"The Ray cluster {address} cannot be reached: {_first_line(error)}.",
            "Check the address, that the machines have the same versions of Python and Ray, and RAY_AUTH_MODE.",
        ) from error


@contextmanager
def _own_handler() -> Iterator[None]:
    """Restore the handler of SIGTERM after the block, in which Ray sets another one."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as stop:  # raised by that of Ray
        raise SystemExit(128 + signal.SIGTERM) from stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _explained() -> Iterator[None]:
    """Convert errors of Ray, which are of many classes if one of its own processes has ended."""
    try:
        yield
    except (PenstrokeError, ray.exceptions.RayTaskError):  # the latter is a bug in the code of the actor
        raise
    except Exception as error:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        if not any(frame.f_globals.get("__name__", "").startswith("ray.") for frame in frames):
            raise
        raise ProcessError(
            f"The prediction ended because a process of Ray did: {_first_line(error)}.",
            "The same command continues it. A process may need more memory than is available: use fewer --workers.",
        ) from error


def _check_port(address: str) -> None:
    """Connect to the port of an address, if it names one, because Ray tries for minutes.

    Raises:
        OSError: the port does not answer.
    """
    host, port = _host_and_port(address)
    if host and port:
        socket.create_connection((host, port), CONNECT_SECONDS).close()


def _host_and_port(address: str) -> tuple[str, int]:
    """Return host and port of an address such as ``ray://host:6379``; an empty host or port 0 if it names none."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


@contextmanager
def _loopback(address: str | None) -> Iterator[None]:
    """Let Ray keep the address 127.0.0.1 within the block, if it starts here or listens to this address alone.

    Otherwise Ray replaces it by an address in a network, and then listens to all networks.
    """
    resolve = services.resolve_ip_for_localhost
    host, port = _host_and_port(address or "127.0.0.1:0")
    if host in ("127.0.0.1", "localhost") and (not address or not _answers(resolve(host), port)):
        services.resolve_ip_for_localhost = lambda host: host
    try:
        yield
    finally:
        services.resolve_ip_for_localhost = resolve


@contextmanager
def _muted_stderr() -> Iterator[None]:
    """Discard what is written to stderr, also by code that is not Python: Ray reports its level of logging there."""
    sys.stderr.flush()
    stderr, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nothing)


def _silence() -> None:
    """Let Ray print nothing, because errors are raised, and send no statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _packed(part: Part) -> bytes:
    """Return a part as bytes; names of files may be bytes that are not UTF-8, which Arrow's texts cannot be."""
    numbers = json.dumps([part.number, part.start, part.stop]).encode()
    return b"\0".join([numbers, *map(os.fsencode, part.files)])


def _unpacked(content: bytes) -> Part:
    numbers, *files = content.split(b"\0")
    number, start, stop = json.loads(numbers)
    return Part(number, tuple(map(os.fsdecode, files)), start, stop)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
