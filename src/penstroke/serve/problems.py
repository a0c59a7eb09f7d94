"""Errors of HTTP answers as problem details (RFC 9457), each with a fixed code. They contain no internals."""

import json

TITLES = {
    "bad-request": (400, "The request is invalid"),
    "unauthorized": (401, "A valid bearer token is required"),
    "forbidden-origin": (403, "Pages of other origins may not store corrections"),
    "not-found": (404, "There is nothing at this path"),
    "method-not-allowed": (405, "This path does not support the method"),
    "request-timeout": (408, "The request did not arrive in time"),
    "too-large": (413, "The body is too large"),
    "unsupported-type": (415, "The content type is not supported"),
    "invalid-picture": (422, "The picture cannot be used"),
    "picture-too-costly": (422, "The picture was not processed within the limits of time and memory"),
    "invalid-batch": (422, "The batch is invalid"),
    "invalid-label": (422, "The label is not a class of the model"),
    "not-readable": (422, "The model does not read pages"),
    "rate-limit": (429, "Too many requests from this address"),
    "headers-too-large": (431, "The headers are too large"),
    "internal": (500, "The server failed to answer; the log has details under the request id"),
    "overloaded": (503, "The server is busy"),
    "not-ready": (503, "The model is not loaded"),
    "draining": (503, "The server is stopping"),
    "collection-full": (507, "The collection of corrections is full"),
}
"""HTTP status and title by code."""


RETRY = ((b"retry-after", b"1"),)
"""Headers of a problem that may be over after a second."""


class Problem(Exception):
    """An error that is reported to the client.

    Args:
        code: one of ``TITLES``.
        detail: what is wrong with this request, as one sentence.
        headers: additional headers of the answer.
    """

    def __init__(self, code: str, detail: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(code, detail)
        self.code = code
        self.status, self.title = TITLES[code]
        self.detail = detail
        self.headers = headers

    def body(self, request_id: str) -> bytes:
        """Return the problem details as JSON."""
        values = {"type": f"urn:penstroke:{self.code}", "code": self.code, "status": self.status, "title": self.title}
        if self.detail:
            values["detail"] = self.detail
        return json.dumps(values | {"request_id": request_id}).encode()
