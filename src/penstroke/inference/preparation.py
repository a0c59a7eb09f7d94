"""Prepare many pictures for a network, in worker processes where that is faster.

This module does not depend on PyTorch.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

from numpy import ndarray

from penstroke.errors import DataError
from penstroke.inference.worker import Preparation, Worker, is_sent

if TYPE_CHECKING:
    from penstroke.pictures.preprocessing import Picture

MANY = 16
"""Minimum number of pictures for which starting workers saves time."""


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

        yield pool.map(prepare, pictures)


def worker_count(pictures: "Sequence[Picture]", *, idle: bool) -> int:
    """Return the number of workers that prepare the pictures fastest; 0 if this process is faster without workers.

    Args:
        pictures: pictures to prepare.
        idle: whether this process would only wait for the workers; False if it imports PyTorch meanwhile.
    """
    sent = sum(map(is_sent, pictures))
    if not sys.executable or getattr(sys, "frozen", False) or (idle and sent < MANY):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(sent, cores)
