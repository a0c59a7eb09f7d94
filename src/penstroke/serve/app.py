"""The application: routes, authentication, limits of bodies and rates, and answers. It computes nothing itself.

It is a plain ASGI application: with so few routes, a framework would cost more time than all of this code.
"""

import asyncio
import hmac
import itertools
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from penstroke.serve.collection import Collection
from penstroke.serve.metrics import CONTENT_TYPE, Metrics
from penstroke.serve.model_card import model_card
from penstroke.serve.page import PageFile
from penstroke.serve.pool import Pool, Reply
from penstroke.serve.problems import RETRY, Problem
from penstroke.serve.rates import Rates
from penstroke.serve.settings import MAX_BATCH_IMAGES, Settings

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON = b"application/json"
_SECURITY: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_PROBES = ("/healthz", "/readyz")
"""Paths without a token and a rate limit, which other programs ask often."""
_PAGE_SECURITY: Headers = (
    *(header for header in _SECURITY if header[0] != b"content-security-policy"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
)


@dataclass(slots=True)
class Request:
    """A request while it is answered."""

    scope: Scope
    receive: Receive
    headers: dict[bytes, bytes]
    path: str

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; the last value of each."""
        text = self.scope["query_string"]
        return dict(parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=20)) if text else {}


@dataclass(frozen=True, slots=True)
class Response:
    """What is sent to the client."""

    body: bytes
    content_type: bytes = JSON
    status: int = 200
    headers: Headers = _SECURITY


class Disconnected(Exception):
    """The client has closed the connection before its body was complete."""


class App:
    """The ASGI application.

    Args:
        settings: limits, token and origins.
        pool: answers pictures.
        metrics: counts requests.
        pages: files of the web page, and the OpenAPI description, by path.
        log: called with an event and its values.
    """

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        metrics: Metrics,
        pages: Callable[[], dict[str, PageFile]],
        log: Callable[..., None],
    ) -> None:
        self._settings, self._pool, self.metrics, self._pages, self._log = settings, pool, metrics, pages, log
        self._rates = Rates(settings.rate)
        self._collection = Collection(settings.collect, settings.max_collected) if settings.collect else None
        self.draining = False
        self._prefix = os.urandom(4).hex()
        self._numbers = itertools.count()
        Handler = Callable[[Request], Awaitable[Response]]
        self._routes: dict[str, dict[str, Handler]] = {
            "/v1/predict": {"POST": self._predict},
            "/v1/read": {"POST": self._read},
            "/v1/predict-batch": {"POST": self._predict_batch},
            "/v1/corrections": {"POST": self._correct},
            "/v1/model": {"GET": self._model},
            "/healthz": {"GET": self._health},
            "/readyz": {"GET": self._readiness},
            "/metrics": {"GET": self._metrics_text},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        start = time.perf_counter()
        request_id = f"{self._prefix}-{next(self._numbers)}"
        request = Request(scope, receive, dict(scope["headers"]), scope["path"])
        try:
            response = await self._answer(request)
        except Problem as problem:
            self.metrics.rejection(problem.code)
            response = _rejection(problem, request_id)
        except asyncio.CancelledError:  # the server stops, and this request needs longer than it waits
            response = _rejection(Problem("draining", headers=RETRY), request_id)
        except Disconnected:
            return
        except Exception as error:  # noqa: BLE001 - the last resort: the client gets no internals
            self._log("request failed", request_id=request_id, error=f"{type(error).__name__}: {error}"[:500])
            response = _rejection(Problem("internal"), request_id)
        seconds = time.perf_counter() - start
        await self._send(request, response, request_id, send)  # before it is counted: the client waits
        route = request.path if request.path in self._routes else "page" if response.status == 200 else "unknown"
        self.metrics.request(route, response.status, seconds)
        if self._settings.access_log:
            client = (scope["client"] or ("",))[0]
            values = {"method": scope["method"], "route": route, "status": response.status, "client": client}
            self._log("request", request_id=request_id, **values, ms=round(1e3 * seconds, 2))

    async def _send(self, request: Request, response: Response, request_id: str, send: Send) -> None:
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", b"%d" % len(response.body)),
            (b"x-request-id", request_id.encode()),
            *response.headers,
        ]
        origin = request.headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") in self._settings.origins:
            headers += [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, request: Request) -> Response:
        method = request.scope["method"]
        if request.path not in _PROBES and not self._rates.allow((request.scope["client"] or ("",))[0]):
            raise Problem("rate-limit", headers=RETRY)
        methods = self._routes.get(request.path)
        if methods is None:
            return self._static(request, method)
        if method == "OPTIONS" and request.headers.get(b"origin", b"").decode("latin-1") in self._settings.origins:
            return Response(b"", JSON, 204, (*_SECURITY, *_PREFLIGHT))
        handler = methods.get("GET" if method == "HEAD" else method)
        if handler is None:
            raise _wrong_method(methods)
        if self._settings.token and request.path not in _PROBES:
            self._authorize(request)
        return await handler(request)

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), self._settings.token.encode()):
            raise Problem("unauthorized", headers=((b"www-authenticate", b'Bearer realm="penstroke"'),))

    def _static(self, request: Request, method: str) -> Response:
        file = self._pages().get(request.path)
        if file is None:
            raise Problem("not-found")
        if method not in ("GET", "HEAD"):
            raise _wrong_method({"GET": None})
        return Response(file.content, file.content_type, 200, _PAGE_SECURITY)

    async def _predict(self, request: Request) -> Response:
        query = request.query
        option = "view" if _flag(query, "view") else "raw" if _flag(query, "raw") else ""
        picture = await self._picture(request)
        return self._computed(await self._pool.submit("predict", picture, option))

    async def _read(self, request: Request) -> Response:
        option = "view" if _flag(request.query, "view") else ""
        return self._computed(await self._pool.submit("read", await self._picture(request), option))

    async def _predict_batch(self, request: Request) -> Response:
        content_type = _media_type(request)
        if content_type == b"application/json":
            shape: list[int] = []
        elif content_type == b"application/octet-stream":
            shape = self._shape(request)
        else:
            raise Problem("unsupported-type", "Send application/octet-stream with the header X-Shape, or JSON.")
        content = await self._body(request)
        if shape and len(content) != (size := shape[0] * shape[1] * shape[2] * shape[3]):
            raise Problem("invalid-batch", f"The body has {len(content)} bytes; X-Shape requires {size}.")
        return self._computed(await self._pool.submit("batch", content, ",".join(map(str, shape))))

    def _shape(self, request: Request) -> list[int]:
        """Return the shape ``[n, c, h, w]`` that the header states.

        Raises:
            Problem: it is missing, or not the model's.
        """
        text = request.headers.get(b"x-shape", b"").decode("latin-1")
        parts = text.replace(" ", "").split(",")
        expected = list(self._pool.model["description"]["image_shape"])
        if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
            raise Problem("invalid-batch", f"The header X-Shape must be n,{','.join(map(str, expected))}.")
        shape = [int(part) for part in parts]
        if shape[1:] != expected:
            raise Problem("invalid-batch", f"X-Shape must end with {','.join(map(str, expected))}, as the model takes.")
        if not 1 <= shape[0] <= MAX_BATCH_IMAGES:
            raise Problem("invalid-batch", f"A batch has 1 to {MAX_BATCH_IMAGES} images.")
        return shape

    async def _correct(self, request: Request) -> Response:
        if self._collection is None:
            raise Problem("not-found", "This server does not store corrections; see --collect.")
        origin = request.headers.get(b"origin", b"").decode("latin-1")
        own = request.headers.get(b"host", b"").decode("latin-1")
        if origin and origin.partition("://")[2] != own and origin not in self._settings.origins:
            raise Problem("forbidden-origin")
        label = request.query.get("label", "")
        if label not in self._pool.model.get("description", {}).get("classes", ()):
            raise Problem("invalid-label", "Give the right label as the parameter `label`.")
        reply = await self._pool.submit("correction", await self._picture(request))
        loop = asyncio.get_running_loop()
        stored = await loop.run_in_executor(None, self._collection.add, label, reply.body)
        return Response(json.dumps({"stored": stored, "label": label}).encode(), status=201)

    async def _model(self, request: Request) -> Response:  # noqa: ARG002 - the signature of a handler
        if not self._pool.model:
            raise Problem("not-ready")
        card = model_card(self._pool.model) | {"collects": self._collection is not None}
        return Response(json.dumps(card).encode())

    async def _health(self, request: Request) -> Response:  # noqa: ARG002 - the signature of a handler
        return Response(b'{"status": "ok"}')

    async def _readiness(self, request: Request) -> Response:  # noqa: ARG002 - the signature of a handler
        if self.draining:
            raise Problem("draining")
        if not self._pool.ready:
            raise Problem("not-ready")
        return Response(b'{"status": "ready"}')

    async def _metrics_text(self, request: Request) -> Response:  # noqa: ARG002 - the signature of a handler
        return Response(self.metrics.text(), CONTENT_TYPE)

    async def _picture(self, request: Request) -> bytes:
        """Return the body, which is a picture file.

        Raises:
            Problem: it is a form, or larger than allowed.
        """
        if _media_type(request) == b"multipart/form-data":
            raise Problem("unsupported-type", "Send the picture file itself as the body, not a form.")
        content = await self._body(request)
        if not content:
            raise Problem("bad-request", "The body is empty; it must be a picture file.")
        return content

    async def _body(self, request: Request) -> bytes:
        limit = self._settings.max_bytes
        stated = request.headers.get(b"content-length", b"0")
        too_large = not stated.isdigit() or len(stated) > 18 or int(stated) > limit
        body, more = bytearray(), True
        while more and not too_large:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message["body"]
            more, too_large = message["more_body"], len(body) > limit
        if too_large:
            raise Problem("too-large", f"The body may have at most {limit} bytes.")
        return bytes(body)

    def _computed(self, reply: Reply) -> Response:
        """Return the answer of a worker, with its times."""
        self.metrics.predictions(reply.labels)
        timing = b', "timing": {"queue_ms": %.3f, "compute_ms": %.3f, "shared": %d}}' % (
            reply.queue_ms,
            reply.compute_ms,
            reply.shared,
        )
        return Response(reply.body[:-1] + timing)


_PREFLIGHT: Headers = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-shape"),
    (b"access-control-max-age", b"600"),
)


def _rejection(problem: Problem, request_id: str) -> Response:
    body = problem.body(request_id)
    return Response(body, b"application/problem+json", problem.status, _SECURITY + problem.headers)


def _wrong_method(methods: dict[str, Any]) -> Problem:
    allowed = ", ".join(methods) + (", HEAD" if "GET" in methods else "")
    return Problem("method-not-allowed", headers=((b"allow", allowed.encode()),))


def _media_type(request: Request) -> bytes:
    return request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _flag(query: dict[str, str], name: str) -> bool:
    value = query.get(name, "0")
    if value not in ("0", "1"):
        raise Problem("bad-request", f"The parameter `{name}` must be 0 or 1.")
    return value == "1"
