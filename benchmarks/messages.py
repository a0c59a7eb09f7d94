"""The seconds of messages between two processes of a launch: ``torchrun ... -m benchmarks.messages OUT.json``."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

SIZES = (4, 1 << 12, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24)
"""Bytes of the messages."""


def seconds(action: Callable[[], object]) -> float:
    """Return the median of the seconds of an action, after a first one."""
    found = []
    for _ in range(21):
        distributed.barrier()
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def main() -> None:
    """Measure, and write the result in the process of rank 0."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", timeout=timedelta(seconds=60))
    other = 1 - distributed.get_rank()
    found: dict[str, dict[str, float]] = {"reduce": {}, "exchange": {}}
    for size in SIZES:
        values, others = torch.ones(size // 4), torch.empty(size // 4)
        send = distributed.P2POp(distributed.isend, values, other)
        receive = distributed.P2POp(distributed.irecv, others, other)

        def exchange(send: distributed.P2POp = send, receive: distributed.P2POp = receive) -> None:
            for message in distributed.batch_isend_irecv([send, receive]):
                message.wait()

        found["reduce"][str(size)] = seconds(lambda values=values: distributed.all_reduce(values))  # type: ignore[misc]
        found["exchange"][str(size)] = seconds(exchange)
    if distributed.get_rank() == 0:
        Path(sys.argv[1]).write_text(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
