"""The pool of workers: bounded queues, micro-batches, deadlines, replacement of workers, and change of the model.

When a worker is idle, a picture is sent to it at once, so that nothing waits on an idle server. When all are busy,
pictures wait, and an idle worker gets several of them in one message. If a worker dies or stalls with several pictures,
each of them is processed again alone, so that only the one that caused it is rejected. They wait a moment before that,
because several workers may have been killed at once, and a second death would be taken for the fault of the picture.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstroke.serve.channel import Message
from penstroke.serve.problems import RETRY, Problem
from penstroke.serve.processes import Template, Worker
from penstroke.serve.settings import BATCH_SECONDS, PICTURE_SECONDS, Settings

MAX_SHARED = 8
"""Maximum number of pictures in one message."""
SMALL_BYTES = 16 << 10
"""Larger pictures take much longer, and have a worker for themselves."""
MIN_QUEUE = 16
"""Number of pictures that may always wait, whatever the expected time."""
BURST_SECONDS, BURST_FACTOR = 0.15, 3
"""For so long after the queue was empty, requests may wait so many times longer: a burst, or a pause of the machine, is
not an overload."""
RETRY_SECONDS = 0.05
"""Seconds after which the pictures of a worker that has ended are processed again."""


@dataclass(slots=True, eq=False)
class Job:
    """A request that waits for a worker, or is being processed."""

    operation: str
    content: bytes
    option: str
    future: "asyncio.Future[Reply]"
    alone: bool
    arrived: float = field(default_factory=time.monotonic)
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a job: see ``answers.Answer``. Times are in milliseconds."""

    body: bytes
    labels: tuple[str | None, ...]
    queue_ms: float
    compute_ms: float
    shared: int
    """Number of pictures that were processed together."""


@dataclass(slots=True, eq=False)
class _Task:
    """What a worker is processing."""

    jobs: list[Job]
    slow: bool
    started: float
    timer: asyncio.TimerHandle
    stalled: bool = False


class Pool:
    """Workers of one model, and the requests that wait for them.

    Args:
        settings: number of workers, and limits of the queues.
        report: called with an event and its values, for the log.
    """

    def __init__(self, settings: Settings, report: Callable[..., None]) -> None:
        self._settings = settings
        self._report = report
        self._template: Template | None = None
        self._quick: deque[Job] = deque()
        self._slow: deque[Job] = deque()
        self._idle: list[Worker] = []
        self._busy: dict[Worker, _Task] = {}
        self._workers: set[Worker] = set()
        self._seconds = 0.002  # of one picture, a moving average
        self._was_empty = 0.0  # when a picture last found the queue empty
        self._background: set[asyncio.Task[None]] = set()
        self._closed = False
        self.replaced = 0

    @property
    def model(self) -> dict[str, Any]:
        """What the template reported of the model; empty before it is loaded."""
        return self._template.model if self._template else {}

    @property
    def ready(self) -> bool:
        """Whether a worker can answer."""
        return bool(self._workers) and not self._closed

    @property
    def waiting(self) -> int:
        """Number of requests in the queues."""
        return len(self._quick) + len(self._slow)

    async def use(self, template: Template) -> None:
        """Answer new requests with the model of a template; workers of the former model finish what they have.

        Raises:
            ConnectionError: the template has ended. The former model remains in use.
        """
        new = [await template.fork(self._replied, self._ended) for _ in range(self._settings.workers)]
        former, self._template = self._template, template
        old, self._workers = self._workers, set(new)
        for worker in old.intersection(self._idle):
            worker.close()
        self._idle = new
        if former and former is not template:
            former.close()
        self._dispatch()

    def submit(self, operation: str, content: bytes, option: str = "") -> "asyncio.Future[Reply]":
        """Queue a request, and return the future of its reply.

        Raises:
            Problem: the queue is full, or no model is loaded. The future raises one if the picture cannot be used.
        """
        if self._closed or not (self._workers or self._background):
            raise Problem("not-ready", headers=RETRY)
        slow = operation != "predict"
        queue = self._slow if slow else self._quick
        if self._is_full(slow):
            raise Problem("overloaded", "Too many requests are waiting.", RETRY)
        if not slow and not queue:
            self._was_empty = time.monotonic()
        alone = slow or len(content) > SMALL_BYTES
        job = Job(operation, content, option, asyncio.get_running_loop().create_future(), alone)
        queue.append(job)
        if self._idle:
            self._dispatch()
        return job.future

    async def close(self) -> None:
        """End all processes. Requests that are not answered get a problem."""
        self._closed = True
        for worker in [*self._workers, *self._busy]:
            worker.kill()
            worker.close()
        if self._template:
            self._template.close()
        self._fail_all(Problem("draining"))

    def _fail_all(self, problem: Problem) -> None:
        for job in [*self._quick, *self._slow]:
            _fail(job, problem)
        self._quick.clear()
        self._slow.clear()

    def _is_full(self, slow: bool) -> bool:
        if slow:
            return len(self._slow) >= self._settings.max_pages
        waiting = len(self._quick)
        if waiting < MIN_QUEUE:
            return False
        wait = waiting * self._seconds / self._settings.workers
        burst = time.monotonic() - self._was_empty < BURST_SECONDS
        return waiting >= self._settings.max_queue or wait > self._settings.max_wait * (BURST_FACTOR if burst else 1)

    def _dispatch(self) -> None:
        """Give waiting requests to idle workers. Pages and batches leave one worker to pictures, if there are two."""
        while self._idle and (self._quick or self._slow):
            slow_now = sum(task.slow for task in self._busy.values())
            if self._slow and slow_now < max(1, self._settings.workers - 1):
                self._start(self._idle.pop(), [self._slow.popleft()], slow=True)
            elif self._quick:
                self._start(self._idle.pop(), self._next_pictures(), slow=False)
            else:
                return

    def _next_pictures(self) -> list[Job]:
        """Take the next pictures from the queue: a fair share for each worker, or a single one that needs it."""
        jobs = [self._quick.popleft()]
        if jobs[0].alone:
            return jobs
        share = min(MAX_SHARED, -(-(len(self._quick) + 1) // self._settings.workers))
        while len(jobs) < share and self._quick and not self._quick[0].alone:
            jobs.append(self._quick.popleft())
        return jobs

    def _start(self, worker: Worker, jobs: list[Job], *, slow: bool) -> None:
        seconds = BATCH_SECONDS if slow else PICTURE_SECONDS
        timer = asyncio.get_running_loop().call_later(seconds, self._stalled, worker)
        self._busy[worker] = _Task(jobs, slow, time.monotonic(), timer)
        header = {
            "op": jobs[0].operation,
            "sizes": [len(job.content) for job in jobs],
            "options": [job.option for job in jobs],
        }
        worker.send(header, b"".join([job.content for job in jobs]))

    def _replied(self, worker: Worker, message: Message) -> None:
        task = self._busy.pop(worker)
        task.timer.cancel()
        header, content = message
        if worker in self._workers:
            self._idle.append(worker)
        else:
            worker.close()  # its model has been replaced
        if self._quick or self._slow:
            self._dispatch()
        count = len(task.jobs)
        if not task.slow:
            self._seconds += 0.05 * ((time.monotonic() - task.started) / count - self._seconds)
        start = 0
        for job, size, labels, problem in zip(
            task.jobs, header["sizes"], header["labels"], header["problems"], strict=True
        ):
            if problem:
                _fail(job, Problem(*problem))
            elif not job.future.done():
                waited = round(1e3 * (task.started - job.arrived), 3)
                job.future.set_result(Reply(content[start : start + size], labels, waited, header["ms"], count))
            start += size

    def _stalled(self, worker: Worker) -> None:
        self._busy[worker].stalled = True
        worker.kill()

    def _ended(self, worker: Worker) -> None:
        """Replace a worker that has ended, and process its pictures again, each alone."""
        task = self._busy.pop(worker, None)
        if worker in self._idle:
            self._idle.remove(worker)
        lost = worker in self._workers
        self._workers.discard(worker)
        if task:
            task.timer.cancel()
            self._again(task)
        if lost and not self._closed:
            self.replaced += 1
            self._report("worker replaced", pid=worker.pid, stalled=bool(task and task.stalled))
            background = asyncio.get_running_loop().create_task(self._replace())
            self._background.add(background)
            background.add_done_callback(self._background.discard)

    def _again(self, task: _Task) -> None:
        shared = len(task.jobs) > 1
        for job in reversed(task.jobs):
            job.attempts += not shared
            if self._closed or (not shared and (task.stalled or job.attempts > 1)):
                _fail(job, Problem("draining") if self._closed else _too_costly(task))
            else:
                job.alone = True
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._requeue, job, task.slow)

    def _requeue(self, job: Job, slow: bool) -> None:
        if self._closed:
            _fail(job, Problem("draining"))
        else:
            (self._slow if slow else self._quick).appendleft(job)
            self._dispatch()

    async def _replace(self) -> None:
        template = self._template
        assert template
        try:
            worker = await template.fork(self._replied, self._ended)
        except ConnectionError:
            self._report("template ended")
            await self._restart(template)
            return
        if template is self._template and not self._closed:
            self._workers.add(worker)
            self._idle.append(worker)
            self._dispatch()
        else:
            worker.close()

    async def _restart(self, template: Template) -> None:
        """Load the model again after its template has ended, once for all workers."""
        if template is not self._template or self._closed:
            return
        again = Template(template.source)
        self._template = again
        again.model = template.model
        try:
            await again.load()
            await self.use(again)
        except Exception as error:  # noqa: BLE001 - reported; the health check fails when no worker is left
            self._report("model lost", error=str(error))
            self._fail_all(Problem("not-ready", headers=RETRY))


def _too_costly(task: _Task) -> Problem:
    """Return the problem of the only request of a worker that stalled or died."""
    if not task.stalled:
        return Problem("picture-too-costly", "Its process has ended, probably because it needed too much memory.")
    seconds, what = (BATCH_SECONDS, "A page or batch") if task.slow else (PICTURE_SECONDS, "A picture")
    remedy = "Send fewer or smaller pictures." if task.slow else "Send a smaller one."
    return Problem("picture-too-costly", f"{what} that takes more than {seconds:.0f} s is given up. {remedy}")


def _fail(job: Job, problem: Problem) -> None:
    if not job.future.done():
        job.future.set_exception(problem)
