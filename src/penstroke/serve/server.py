"""Run a server: load the model, listen, answer until SIGTERM, and finish what was accepted."""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from penstroke.errors import UsageError, require_extra
from penstroke.serve.log import configure_logging
from penstroke.serve.processes import Template
from penstroke.serve.settings import DRAIN_SECONDS, SEND_BYTES, Settings
from penstroke.serve.template import Source

BACKLOG = 2048


def serve(source: str, settings: Settings, on_ready: Callable[[str], object]) -> None:
    """Serve a model until the process gets SIGINT or SIGTERM, which are raised again at the end.

    Args:
        source: run, model file, ONNX file, or ``ready``.
        settings: see ``Settings``.
        on_ready: called with the URL when the server answers.

    Raises:
        MissingExtraError: a package of the extra ``serve`` is missing.
        UsageError: the address cannot be used.
        PenstrokeError: the model cannot be loaded.
    """
    template = Template(Source(source, settings.device, settings.max_pixels))  # loads while uvicorn is imported
    try:
        require_extra("serve", "uvicorn", "httptools", "uvloop", "prometheus_client")
        listener = _listen(settings)
        with listener:
            import uvloop

            uvloop.run(_run(template, settings, listener, on_ready))
    finally:
        template.close()


async def _run(
    template: Template, settings: Settings, listener: socket.socket, on_ready: Callable[[str], object]
) -> None:
    import uvicorn

    from penstroke.serve.asgi import Service
    from penstroke.serve.protocol import Connections, protocol_class
    from penstroke.serve.reloading import Reloader

    connections = Connections(settings.max_connections)
    service = Service(settings, lambda: len(connections.open))
    app, pool = service.app, service.pool
    connections.on_rejection = service.metrics.rejected_connection
    configure_logging()
    config = uvicorn.Config(
        app,
        http=protocol_class(connections),
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=round(DRAIN_SECONDS),
    )
    reloader = Reloader(pool, settings, service.metrics)

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await template.load()
            await pool.use(template)
            await super().startup(sockets)
            host, port = listener.getsockname()[:2]
            on_ready(f"http://{f'[{host}]' if ':' in host else host}:{port}")

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.draining = connections.draining = True
            await asyncio.sleep(0.2)  # connections that the kernel has accepted are answered, too
            await super().shutdown(sockets)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reloader.request)
    tasks = [loop.create_task(connections.check_deadlines()), loop.create_task(reloader.run())]
    try:
        await Server(config).serve([listener])
    finally:
        for task in tasks:
            task.cancel()
        await pool.close()


def _listen(settings: Settings) -> socket.socket:
    """Return the socket at the address of the settings.

    Raises:
        UsageError: the address is invalid or in use.
    """
    address = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # connections inherit it
        with suppress(OSError):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(place)
    except OSError as error:
        raise UsageError(
            f"The address {address} cannot be used: {error.strerror or error}.",
            "Choose another one with --host and --port; port 0 selects a free one.",
        ) from error
    return listener
