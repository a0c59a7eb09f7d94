"""The settings of a server: addresses, limits of what a client can use, and what is stored."""

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
MAX_BATCH_IMAGES = 1024
"""Maximum number of images in one request."""
MAX_HEADER_BYTES = 16 << 10
"""Maximum size of the request line and the headers of a request in bytes."""
HEADER_SECONDS = 5.0
"""Seconds within which all headers of a request must arrive, from the connection or from the first byte on."""
BODY_SECONDS = 8.0
"""Seconds within which the body of a request must arrive."""
SEND_BYTES = 128 << 10
"""Bytes of answers that the kernel keeps for a client that does not read them; it would keep some megabytes."""
WRITE_SECONDS = 8.0
"""Seconds within which a client must read an answer."""
IDLE_SECONDS = 30.0
"""Seconds after which a connection without a request is closed."""
PICTURE_SECONDS = 10.0
"""Seconds after which a worker that processes pictures is replaced."""
BATCH_SECONDS = 30.0
"""Seconds after which a worker that processes a page or a batch is replaced."""
WORKER_BYTES = 1 << 30
"""Memory that a worker may allocate in addition to the model's, in bytes."""
DRAIN_SECONDS = 8.0
"""Seconds within which accepted requests are answered after SIGTERM."""


@dataclass(frozen=True)
class Settings:
    """The settings of a server. The command line checks them."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 selects a free port."""
    workers: int = 2
    """Number of processes that decode, prepare and classify pictures."""
    device: str = "cpu"
    max_bytes: int = 16 * MIB
    """Maximum size of a body in bytes."""
    max_pixels: int = 25_000_000
    """Maximum number of pixels of a picture."""
    max_connections: int = 2048
    rate: float = 0.0
    """Requests per second of one client address; 0 for no limit."""
    max_queue: int = 512
    """Maximum number of waiting pictures."""
    max_wait: float = 0.065
    """Expected waiting time in seconds from which on requests are rejected."""
    max_pages: int = 8
    """Maximum number of waiting pages and batches."""
    token: str = ""
    """Bearer token that every request under /v1 needs; empty for none."""
    origins: tuple[str, ...] = ()
    """Origins whose web pages may use the server (CORS)."""
    collect: Path | None = None
    """Folder of corrections; None to store none."""
    max_collected: int = 10_000
    """Maximum number of stored corrections."""
    watch: bool = False
    """Load a new run of ./runs when it is finished."""
    access_log: bool = False
    """Log every request."""
