"""The template process loads a model once, and forks the workers that answer requests with it.

A fork takes milliseconds and shares the model's memory, so that a worker that died is replaced at once. The template
never decodes a picture of a client. It computes with one thread, because threads do not survive a fork. A worker can
open neither files nor connections, and its memory is limited.
"""

import gc
import io
import json
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstroke.errors import PenstrokeError
from penstroke.serve.channel import messages, pack
from penstroke.serve.settings import WORKER_BYTES

if TYPE_CHECKING:
    from penstroke.serve.answers import Answer, Answerer

FORK = b"f"
"""The command that forks a worker. The worker's end of a socket is sent with it."""


@dataclass(frozen=True)
class Source:
    """What a template loads: see ``Classifier.load``."""

    source: str
    device: str
    max_pixels: int
    classes: tuple[str, ...] = ()
    """Classes that the model must have; empty for the first model of a server."""


def main() -> None:
    """Load the model, report it, and fork workers until the server closes the connection."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # processes end when the server closes their connections
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # workers that ended leave no zombies
    control = socket.socket(fileno=int(sys.argv[1]))
    values = json.loads(sys.argv[2])
    source = Source(**values | {"classes": tuple(values["classes"])})
    gc.disable()  # all that is imported remains
    try:
        answerer, report = _load(source)
    except PenstrokeError as error:
        control.sendall(pack({"error": error.to_json()}))
        return
    gc.freeze()  # the workers share the memory of all objects, as long as none of them changes it
    gc.enable()
    control.sendall(pack({"model": report}))
    while True:
        command, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not command:
            return
        (descriptor,) = descriptors
        pid = os.fork()
        if not pid:
            control.close()
            _work(socket.socket(fileno=descriptor), answerer)
        os.close(descriptor)
        control.sendall(pack({"pid": pid}))


def _load(source: Source) -> "tuple[Answerer, dict[str, Any]]":
    """Return the opened and checked model, and what is reported of it.

    Raises:
        PenstrokeError: the model cannot be loaded, or does not pass the check.
    """
    from penstroke.inference.backends import configure_backend
    from penstroke.inference.classifier import Classifier
    from penstroke.serve.answers import Answerer
    from penstroke.serve.check import check_model

    start = time.monotonic()
    classifier = Classifier.load(source.source, source.device, threads=1)
    configure_backend(classifier.backend_name, threads=1)  # threads do not survive a fork
    answerer = Answerer(classifier, source.max_pixels)
    accuracy = check_model(classifier, source.classes)
    _warm_up(answerer)
    report = {
        "source": classifier.source,
        "backend": classifier.backend_name,
        "description": classifier.description.to_json(),
        "threshold": classifier.threshold,
        "check_accuracy": accuracy,
        "load_seconds": round(time.monotonic() - start, 3),
    }
    return answerer, report


def _warm_up(answerer: "Answerer") -> None:
    """Import everything that pictures of all formats need: a worker cannot open files."""
    import numpy as np
    from PIL import Image

    from penstroke.inference.strip_reader import read_strip

    pixels = np.full((64, 64), 230, np.uint8)
    pixels[14:50, 20:26] = pixels[14:50, 40:46] = 20
    image = Image.fromarray(pixels)
    noisy = Image.fromarray((np.random.default_rng(0).integers(0, 40, (64, 64)) + pixels // 2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF"):
        stream = io.BytesIO()
        if kind in ("PNG", "JPEG"):
            image.save(stream, kind, exif=exif)
        else:
            image.save(stream, kind)
        answerer.predict([stream.getvalue(), b"GIF89a", b""], ["", "", ""])
    stream = io.BytesIO()
    noisy.convert("RGBA").save(stream, "PNG")
    answerer.predict([stream.getvalue()] * 2, ["", "view"])
    answerer.read(stream.getvalue(), "view")
    answerer.correction(stream.getvalue())
    answerer.batch(b"{}", ())
    read_strip(np.zeros((28, 28), np.uint8))  # opens the network for touching digits, which few pictures need


def _work(connection: socket.socket, answerer: "Answerer") -> None:
    """Answer messages until the server closes the connection. Never returns."""
    code = 0
    try:
        _limit(connection.fileno())
        for header, content in messages(connection):
            start = time.perf_counter()
            answers = _answer(answerer, header, content)
            milliseconds = round(1e3 * (time.perf_counter() - start), 3)
            reply = {
                "sizes": [len(answer.body) for answer in answers],
                "labels": [answer.labels for answer in answers],
                "problems": [[answer.code, answer.detail] if answer.code else None for answer in answers],
                "ms": milliseconds,
            }
            connection.sendall(pack(reply, b"".join(answer.body for answer in answers)))
    except (BrokenPipeError, ConnectionResetError):
        pass
    except MemoryError:
        code = 3  # the server reports the picture as too costly
    except BaseException as error:  # noqa: BLE001 - the last resort of this process: the server replaces it
        report = {"level": "error", "event": "worker failed", "error": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(report), file=sys.stderr, flush=True)
        code = 4
    finally:
        os._exit(code)


def _answer(answerer: "Answerer", header: dict[str, Any], content: bytes) -> "list[Answer]":
    operation, options = header["op"], header["options"]
    if operation == "predict":
        pictures, start = [], 0
        for size in header["sizes"]:
            pictures.append(content[start : start + size])
            start += size
        return answerer.predict(pictures, options)
    if operation == "read":
        return [answerer.read(content, options[0])]
    if operation == "batch":
        return [answerer.batch(content, [int(side) for side in options[0].split(",") if side])]
    return [answerer.correction(content)]


def _limit(last_descriptor: int) -> None:
    """Limit this process, until it ends, to what pictures need: no files, no connections, little memory."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # only Linux has this file
        with open("/proc/self/statm", encoding="ascii") as statm:
            used = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + WORKER_BYTES, used + WORKER_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (last_descriptor + 1, last_descriptor + 1))


if __name__ == "__main__":
    main()
