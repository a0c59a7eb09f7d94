"""Limits of the rate of requests of one client: a bucket of tokens for each address."""

import time
from collections import OrderedDict

MAX_CLIENTS = 10_000
"""Number of addresses that are remembered; the one that was unseen for the longest time is forgotten first."""


class Rates:
    """Buckets of tokens by address. A bucket holds the requests of one second, and at least one.

    Args:
        rate: requests per second; 0 for no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, client: str, now: float | None = None) -> bool:
        """Return whether a client may make a request now.

        Args:
            client: the address. The last 64 bits of an IPv6 address are ignored: one client has all of them.
            now: seconds of a monotonic clock; None for the current time.
        """
        if not self._rate:
            return True
        now = time.monotonic() if now is None else now
        if ":" in client:
            client = ":".join(client.split(":")[:4])
        capacity = max(1.0, self._rate)
        tokens, last = self._buckets.pop(client, (capacity, now))
        tokens = min(capacity, tokens + (now - last) * self._rate)
        allowed = tokens >= 1
        self._buckets[client] = (tokens - allowed, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return allowed
