"""The application for another ASGI server, such as Ray Serve. ``penstroke serve`` runs the same one with uvicorn.

The limits of connections (``protocol.py``) and the change of the model while it runs (``reloading.py``) belong to
``penstroke serve``: another server has its own.
"""

from collections.abc import Callable

from penstroke.errors import PenstrokeError
from penstroke.serve.app import App, Receive, Scope, Send
from penstroke.serve.log import log
from penstroke.serve.metrics import Metrics
from penstroke.serve.page import Pages
from penstroke.serve.pool import Pool
from penstroke.serve.processes import Template
from penstroke.serve.settings import Settings
from penstroke.serve.template import Source


class Service:
    """The parts of the application: a pool of workers without a model, metrics, and the routes.

    Args:
        settings: see ``Settings``.
        connections: returns the number of open connections, for the metrics.
    """

    def __init__(self, settings: Settings, connections: Callable[[], float] = lambda: 0.0) -> None:
        self.pool = Pool(settings, log)
        self.metrics = Metrics(lambda: self.pool.waiting, connections, lambda: self.pool.replaced)
        self.app = App(settings, self.pool, self.metrics, Pages(lambda: self.pool.model, settings), log)


class Application:
    """An ASGI application that serves a model.

    Its lifespan loads the model, and ends the processes. It can be pickled before that.

    Args:
        source: run, model file, ONNX file, or ``ready``.
        settings: see ``Settings``; host, port, connections and ``watch`` do not apply.
    """

    def __init__(self, source: str = "ready", settings: Settings = Settings()) -> None:  # noqa: B008 - frozen
        self._source, self._settings = source, settings
        self._service: Service | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the lifespan."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._service, "the server runs the lifespan first"
        await self._service.app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        service = Service(self._settings)
        try:
            template = Template(Source(self._source, self._settings.device, self._settings.max_pixels))
            await template.load()
            await service.pool.use(template)
        except (PenstrokeError, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._service = service
        await send({"type": "lifespan.startup.complete"})
        await receive()
        service.app.draining = True
        await service.pool.close()
        await send({"type": "lifespan.shutdown.complete"})
