"""A web server on this machine for tests of downloads."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = Callable[[BaseHTTPRequestHandler], None]


class Web:
    """Answers GET from ``pages``: path -> bytes, or a function that answers; ``hits`` counts the requests by path."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes | Answer] = {}
        self.hits: Counter[str] = Counter()
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.hits[self.path] += 1
                page = web.pages.get(self.path)
                with suppress(ConnectionError):  # a client may close the connection early
                    if page is None:
                        self.send_error(404)
                    elif callable(page):
                        page(self)
                    else:
                        self.send_response(200)
                        self.send_header("Content-Length", str(len(page)))
                        self.end_headers()
                        self.wfile.write(page)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def running_web() -> Iterator[Web]:
    """Yield a running web server without pages, and stop it afterwards."""
    site = Web()
    Thread(target=lambda: site.server.serve_forever(poll_interval=0.01), daemon=True).start()
    yield site
    site.server.shutdown()
    site.server.server_close()
