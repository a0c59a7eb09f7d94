"""The files of the web page, and the page with a model in it. Exports and the server change the rest of it."""

import json
import re
from importlib import resources
from typing import Any

PAGE = "index.html"
SCRIPT = re.compile(r'<script src="(\w+\.js)"></script>')
"""An element of the page that loads a script; its group is the file name."""
STYLE = re.compile(r'<link rel="stylesheet" href="(\w+\.css)">')
"""The element of the page that loads the style sheet; its group is the file name."""
_NO_MODEL = 'id="model">null<'


def read(name: str) -> str:
    """Return the text of a file of the page."""
    return (resources.files("penstroke") / "web" / name).read_text(encoding="utf-8")


def with_model(page: str, model: dict[str, Any]) -> str:
    """Return the page with a block of JSON that describes the model."""
    # "<" could begin or end an element.
    text = json.dumps(model, separators=(",", ":")).replace("<", "\\u003c")
    assert page.count(_NO_MODEL) == 1
    return page.replace(_NO_MODEL, f'id="model">{text}<')
