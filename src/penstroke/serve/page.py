"""The web page of a server: the page of ``penstroke/web``, which asks the server instead of a model of its own."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstroke.serve.model_card import model_card
from penstroke.serve.openapi import description as openapi
from penstroke.serve.settings import Settings
from penstroke.web import PAGE, SCRIPT, STYLE, read, with_model

_TYPES = {"html": b"text/html; charset=utf-8", "js": b"text/javascript; charset=utf-8", "css": b"text/css"}
_UNUSED = ("runtime.js", "drawing.js", "fitting.js", "worker.js")
"""Scripts that compute a model in the browser."""
_CHANGES = (
    ("img-src blob: data:;", "img-src blob: data:; connect-src 'self';"),
    ("Nothing leaves your browser", "Pictures are sent to this server"),
    ("Draw a digit and see a small neural network read it. Pictures", "Draw a digit and see it read. Pictures"),
    (
        "You can also drop or paste a picture: a drawing, or a scan on plain paper. Photographs do not work here.",
        "You can also drop or paste a picture: a drawing, a scan or a photograph.",
    ),
    ("Open a picture of digits on plain paper", "Open a picture or a photograph of digits"),
    ('<script src="app.js">', '<script src="server.js"></script>\n<script src="app.js">'),
)
"""What the page of the server says and does otherwise."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file that the server delivers."""

    content: bytes
    content_type: bytes


class Pages:
    """The files of the page by path, for the model in use.

    Args:
        model: returns what the template reported of the model.
        settings: whether corrections are stored.
    """

    def __init__(self, model: Callable[[], dict[str, Any]], settings: Settings) -> None:
        self._model, self._settings = model, settings
        self._made_for: dict[str, Any] | None = None
        self._files: dict[str, PageFile] = {}

    def __call__(self) -> dict[str, PageFile]:
        """Return the files; they are made when the model has changed."""
        model = self._model()
        if model is not self._made_for:
            self._files = _page_files(model, collects=self._settings.collect is not None)
            self._made_for = model
        return self._files


def _page_files(model: dict[str, Any], *, collects: bool) -> dict[str, PageFile]:
    page = read(PAGE)
    for before, after in _CHANGES:
        assert before in page, before
        page = page.replace(before, after)
    for name in _UNUSED:
        page = page.replace(f'<script src="{name}"></script>\n', "")
    card = model_card(model) | {"collects": collects}
    page = with_model(page, {"description": card, "server": True})
    names = STYLE.findall(page) + SCRIPT.findall(page)
    contents = {"/": ("html", page)} | {f"/{name}": (name.rpartition(".")[2], read(name)) for name in names}
    files = {path: PageFile(content.encode(), _TYPES[kind]) for path, (kind, content) in contents.items()}
    return files | {"/openapi.json": PageFile(json.dumps(openapi()).encode(), b"application/json")}
