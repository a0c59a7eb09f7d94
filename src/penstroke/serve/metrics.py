"""Metrics of a server, for Prometheus."""

import time
from collections import deque
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16)
_MINUTES = 60
MAX_CLASSES = 200
"""Number of classes up to which predictions are counted by label."""


class Metrics:
    """Counts requests, times, rejections and predictions.

    Args:
        waiting: returns the number of requests in the queues.
        connections: returns the number of open connections.
        replaced: returns the number of workers that were replaced.
    """

    def __init__(
        self, waiting: Callable[[], float], connections: Callable[[], float], replaced: Callable[[], float]
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "penstroke_requests", "Requests by route and status", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "penstroke_request_seconds",
            "Time from the headers to the answer",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._rejections = Counter(
            "penstroke_rejections", "Requests that were answered with a problem", ["reason"], registry=self._registry
        )
        self._rejected_connections = Counter(
            "penstroke_rejected_connections",
            "Connections that were rejected, or closed by a limit",
            ["reason"],
            registry=self._registry,
        )
        self._predictions = Counter("penstroke_predictions", "Predictions by label", ["label"], registry=self._registry)
        self._reloads = Counter("penstroke_reloads", "Loaded models", ["result"], registry=self._registry)
        self._gauge("penstroke_waiting_requests", "Requests in the queues", waiting)
        self._gauge("penstroke_connections", "Open connections", connections)
        self._gauge("penstroke_replaced_workers", "Workers that died or stalled, and were replaced", replaced)
        self._gauge("penstroke_abstention_rate", "Share of abstentions in the last hour", self._abstention_rate)
        self._cached: dict[tuple[str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._labels: dict[str | None, Callable[[], None]] = {}
        self._minutes: deque[list[float]] = deque(maxlen=_MINUTES + 1)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (route, status)
        if key not in self._cached:
            counter, histogram = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._cached[key] = (counter.inc, histogram.observe)
        count, observe = self._cached[key]
        count()
        observe(seconds)

    def rejection(self, reason: str) -> None:
        """Count a request that was answered with a problem."""
        self._rejections.labels(reason).inc()

    def rejected_connection(self, reason: str) -> None:
        """Count a connection that was rejected, or closed by a limit."""
        self._rejected_connections.labels(reason).inc()

    def reload(self, result: str) -> None:
        """Count a model that was loaded or rejected."""
        self._reloads.labels(result).inc()

    def predictions(self, labels: tuple[str | None, ...]) -> None:
        """Count predictions; a label of None is an abstention."""
        minute = self._minute()
        minute[1] += len(labels)
        for label in labels:
            if label is None:
                minute[2] += 1
            if label not in self._labels:
                name = "abstained" if label is None else label if len(self._labels) < MAX_CLASSES else "other"
                self._labels[label] = self._predictions.labels(name).inc
            self._labels[label]()

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, text: str, function: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(function)

    def _minute(self) -> list[float]:
        """Return the current minute: its number, its predictions and its abstentions."""
        now = time.monotonic() // 60
        if not self._minutes or self._minutes[-1][0] != now:
            self._minutes.append([now, 0, 0])
        return self._minutes[-1]

    def _abstention_rate(self) -> float:
        oldest = time.monotonic() // 60 - _MINUTES
        recent = [minute for minute in self._minutes if minute[0] > oldest]
        total = sum(minute[1] for minute in recent)
        return sum(minute[2] for minute in recent) / total if total else 0.0
