"""``penstroke serve [RUN]``: a model over HTTP, with a web page."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from penstroke.cli.options import MEGAPIXEL, Device, Json, Megapixels, RunArgument, integer_from, number_from
from penstroke.cli.output import Result, print_json, say, warn
from penstroke.cli.shared import choose_run
from penstroke.errors import UsageError
from penstroke.runtime import available_cores

_TOKEN = "PENSTROKE_TOKEN"
_MIN_TOKEN = 16
Host = Annotated[str, Parameter(name="--host", metavar="NAME", help="Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[
    int, Parameter(name="--port", metavar="INT", help="Port; 0 selects a free one.", converter=integer_from(0, 65535))
]
Workers = Annotated[
    int | None,
    Parameter(
        name="--workers",
        metavar="INT",
        help="Processes that decode and classify pictures.",
        show_default="one per core",
        converter=integer_from(1, 256),
    ),
]
MaxBody = Annotated[
    int, Parameter(name="--max-body", metavar="MIB", help="Size limit of a request.", converter=integer_from(1, 512))
]
Connections = Annotated[
    int,
    Parameter(
        name="--connections", metavar="INT", help="Limit of open connections.", converter=integer_from(1, 100_000)
    ),
]
Rate = Annotated[
    float,
    Parameter(
        name="--rate",
        metavar="NUMBER",
        help="Requests per second of a client address; 0 for no limit.",
        converter=number_from(0, 1e6),
    ),
]
MaxWait = Annotated[
    float,
    Parameter(
        name="--max-wait",
        metavar="SECONDS",
        help="Expected wait from which on requests get 503; bursts may wait longer.",
        converter=number_from(0.01, 60),
    ),
]
TokenFile = Annotated[
    Path | None,
    Parameter(name="--token-file", metavar="PATH", help="File with a bearer token that requests need."),
]
Origin = Annotated[
    tuple[str, ...],
    Parameter(name="--origin", metavar="URL", help="Origin whose pages may use the server (CORS)."),
]
Collect = Annotated[
    Path | None,
    Parameter(name="--collect", metavar="PATH", help="Folder for drawings whose label is corrected in the page."),
]
AccessLog = Annotated[bool, Parameter(name="--access-log", help="Log every request.", negative="", show_default=False)]


def serve(
    run: RunArgument = None,
    /,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = None,
    max_body: MaxBody = 16,
    megapixels: Megapixels = 25,
    connections: Connections = 2048,
    rate: Rate = 0,
    max_wait: MaxWait = 0.065,
    token_file: TokenFile = None,
    origin: Origin = (),
    collect: Collect = None,
    device: Device = "cpu",
    access_log: AccessLog = False,
    json: Json = False,
) -> Result:
    """Serve a model until SIGINT or SIGTERM."""
    chosen = choose_run(run)

    from penstroke.serve.server import serve as run_server
    from penstroke.serve.settings import MIB, Settings

    settings = Settings(
        host=host,
        port=port,
        workers=workers or available_cores(),
        device=device,
        max_bytes=max_body * MIB,
        max_pixels=megapixels * MEGAPIXEL,
        max_connections=connections,
        rate=rate,
        max_wait=max_wait,
        token=_token(token_file),
        origins=_origins(origin),
        collect=collect,
        watch=run is None,
        access_log=access_log,
    )
    if not settings.token and host not in ("127.0.0.1", "localhost", "::1"):
        warn(f"anyone who can connect to {host} can use this server: set a token with --token-file or {_TOKEN}")

    def report(url: str) -> None:
        if json:
            print_json({"url": url, "run": str(chosen)})
        else:
            say(f"{chosen} is served at {url}")

    run_server(str(chosen), settings, report)
    return Result({}, printed=True)


def _token(path: Path | None) -> str:
    """Return the bearer token of a file or of the environment; empty for none.

    Raises:
        UsageError: the file cannot be read, or the token is too short.
    """
    if path is None:
        token = os.environ.get(_TOKEN, "")
    else:
        try:
            token = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"The token file {path} cannot be read.", "Check its path and permissions.") from error
    token = token.strip()
    if (path or token) and (len(token) < _MIN_TOKEN or not token.isascii() or not token.isprintable()):
        raise UsageError(
            f"The token has {len(token)} characters; it must have at least {_MIN_TOKEN}, all printable ASCII.",
            "Make one with `openssl rand -hex 32`.",
        )
    return token


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not value.startswith(("http://", "https://")) or value.count("/") != 2:
            raise UsageError(f"--origin is {value!r}.", "Give scheme, host and port, such as https://example.org.")
    return values
