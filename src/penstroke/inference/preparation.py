"""Prepare many pictures for a network, in worker processes where that is faster.

This module does not depend on PyTorch.
"""

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from numpy import ndarray

from penstroke.errors import DataError
from penstroke.inference.worker import Preparation, Worker, is_sent
from penstroke.runtime import available_cores

if TYPE_CHECKING:
    from penstroke.pictures.preprocessing import Picture

MIN_SECONDS = 0.7
"""Time of the preparation in this process from which on workers are faster; they need half a second to start."""

MAX_AHEAD = 256
"""Maximum number of pictures that workers prepare before their results are requested; it limits the memory."""


@contextmanager
def preparing(
    pictures: "Sequence[Picture]", preparation: Preparation, workers: int
) -> Iterator[Iterator[ndarray | DataError]]:
    """Start to prepare pictures, and yield an iterator over the results, in order.

    Args:
        pictures: pictures to prepare.
        preparation: settings.
        workers: number of worker processes; with 0, this process prepares each picture when its result is requested.
    """
    if not workers:
        yield map(preparation, pictures)
        return
    with ExitStack() as stack:
        # Closed in reverse order: cancel pending pictures, stop the workers, join the threads that wait for them.
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        free: SimpleQueue[Worker] = SimpleQueue()
        for _ in range(workers):
            worker = Worker(preparation)
            stack.callback(worker.stop)
            free.put(worker)
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)

        def prepare(picture: "Picture") -> ndarray | DataError:
            if not is_sent(picture):
                return preparation(picture)
            worker = free.get()
            try:
                return worker.prepare(picture)
            finally:
                free.put(worker)

        remaining = iter(pictures)
        pending = deque(pool.submit(prepare, picture) for picture in islice(remaining, MAX_AHEAD))

        def results() -> Iterator[ndarray | DataError]:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(prepare, picture) for picture in islice(remaining, 1))

        yield results()


def worker_count(pictures: "Sequence[Picture]", *, idle: bool) -> int:
    """Return the number of workers that prepare the pictures fastest; 0 if this process is faster without workers.

    Args:
        pictures: pictures to prepare.
        idle: whether this process would only wait for the workers; False if it imports PyTorch meanwhile.
    """
    sent = [picture for picture in pictures if is_sent(picture)]
    if not sys.executable or getattr(sys, "frozen", False):
        return 0
    if idle and sum(map(_expected_seconds, sent)) < MIN_SECONDS:
        return 0
    return min(len(sent), available_cores())


def _expected_seconds(picture: "Picture") -> float:
    """Return roughly how long the preparation takes: 1 ms for a digit of MNIST, up to 80 ms for a photograph."""
    try:
        if isinstance(picture, ndarray):
            size = picture.nbytes // 16  # about what a file would have
        elif isinstance(picture, bytes):
            size = len(picture)
        else:
            size = Path(str(picture)).stat().st_size
    except (OSError, ValueError):  # the error is reported when the picture is prepared
        size = 0
    return 0.001 + min(size, 64_000) / 800_000
