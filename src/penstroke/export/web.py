"""The web format: the page of ``penstroke/web`` with a model in it, as a folder or as one file.

Both work from a web server and from ``file://``, and load nothing else: the model is a block of JSON in the page.
"""

import base64
import gzip
import hashlib
import re
from typing import Any

import numpy as np
from numpy import ndarray

from penstroke.export.precision import is_weight, round_model
from penstroke.export.program import Program
from penstroke.web import PAGE, SCRIPT, STYLE, read, with_model

_TYPES = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
"""JSDoc comments, a quarter of the scripts: only the type checks of Penstroke read them."""


def web_page(program: Program, description: dict[str, Any], *, single_file: bool) -> dict[str, bytes]:
    """Return the files of a web page that recognises drawings with a model.

    Args:
        program: see ``program_of``.
        description: the model's ``Description`` as JSON, with its name for display as ``source``.
        single_file: return one HTML file instead of a page with style and scripts beside it.

    Returns:
        Contents by file name. The weights have 8 significant bits: see ``round_weights``.

    Raises:
        ModelError: a weight is too large for float16.
    """
    page = read(PAGE)
    contents = {name: read(name) for name in STYLE.findall(page) + SCRIPT.findall(page)}
    contents = {name: _TYPES.sub("", content) for name, content in contents.items()}
    if single_file:
        page, contents = _inlined(page, contents), {}
    page = with_model(page, _model(program, description))
    return {name: content.encode() for name, content in {PAGE: page, **contents}.items()}


def _inlined(page: str, contents: dict[str, str]) -> str:
    """Return the page with style and scripts in it, which its content security policy allows by their hashes."""
    for pattern, tag, policy in ((STYLE, "style", "style-src"), (SCRIPT, "script", "script-src")):
        hashes = " ".join(_hash(f"\n{contents[name]}") for name in pattern.findall(page))
        page = page.replace(f"{policy} 'self'", f"{policy} {hashes}")
        page = pattern.sub(lambda match, tag=tag: f"<{tag}>\n{contents[match[1]]}</{tag}>", page)  # type: ignore[misc]
    return page


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _model(program: Program, description: dict[str, Any]) -> dict[str, Any]:
    """Return the model as JSON: see ``_packed`` for the weights."""
    arrays = round_model(program.arrays)
    return {
        "description": description,
        "program": program.to_json(),
        "arrays": [
            {"name": name, "shape": list(array.shape), "dtype": "float16" if is_weight(array) else "float32"}
            for name, array in arrays.items()
        ],
        "weights": _packed(list(arrays.values())),
    }


def _packed(arrays: list[ndarray]) -> str:
    """Return base64 of gzip of the arrays.

    First the weights (see ``is_weight``) as little-endian float16: all high bytes, then all low bytes, because similar
    bytes side by side compress better. Then all other arrays as little-endian float32.
    """
    halves = [array.astype("<f2").ravel() for array in arrays if is_weight(array)]
    planes = np.concatenate([np.empty(0, "<f2"), *halves]).view(np.uint8).reshape(-1, 2)[:, ::-1].T
    rest = [array.astype("<f4").tobytes() for array in arrays if not is_weight(array)]
    return base64.b64encode(gzip.compress(planes.tobytes() + b"".join(rest), mtime=0)).decode()
