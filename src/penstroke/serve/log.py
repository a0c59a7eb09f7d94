"""The log of a server: one JSON object per line on stderr. It contains no pictures and no bodies."""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any


def log(event: str, level: str = "info", **values: Any) -> None:
    """Write a line."""
    row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": level, "event": event} | values
    print(json.dumps(row, ensure_ascii=True, default=str), file=sys.stderr, flush=True)


class JsonHandler(logging.Handler):
    """Writes errors of uvicorn and asyncio as lines of the log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        values: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1]:
            values["traceback"] = traceback.format_exception(record.exc_info[1])[-3:]
        log(record.getMessage()[:500], record.levelname.lower(), **values)


def configure_logging() -> None:
    """Send errors of uvicorn and asyncio to the log; invalid requests are counted, not logged."""
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [JsonHandler()]
        logger.propagate = False
        logger.setLevel(logging.ERROR)
