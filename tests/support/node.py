"""Run the scripts of the web page in Node.js."""

import base64
import gzip
import json
import math
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import ndarray

import penstroke
from penstroke.export.precision import is_weight
from penstroke.export.web import _packed

WEB = Path(penstroke.__file__).parent / "web"
SCRIPTS = ("runtime.js", "drawing.js", "fitting.js", "worker.js")


def source(script: str) -> str:
    """Return the text of a script of the page."""
    return (WEB / script).read_text(encoding="utf-8")


def run_node(code: str, values: Any) -> Any:
    """Return the result of JavaScript that uses the scripts of the page. The test is skipped without Node.js.

    Args:
        code: body of an asynchronous function with the parameter ``values``. What it returns is converted to JSON.
        values: plain values and ``uint8`` arrays; an array arrives as a flat ``Uint8Array``.

    Raises:
        AssertionError: the code throws an error.
    """
    if not shutil.which("node"):
        pytest.skip("Node.js is not installed")
    scripts = "\n".join(source(name) for name in SCRIPTS)
    program = f"""{scripts}
const bytes = (key, value) => (value?.base64 ? Uint8Array.from(Buffer.from(value.base64, "base64")) : value);
const values = JSON.parse(require("fs").readFileSync(0, "utf8"), bytes);
const plain = (key, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
(async () => {{ {code} }})().then((result) => console.log(JSON.stringify(result, plain)));"""
    text = json.dumps(values, default=_to_json)
    done = subprocess.run(["node", "-e", program], input=text, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _to_json(value: Any) -> Any:
    if not isinstance(value, ndarray):
        return value.item()  # a number of NumPy
    assert value.dtype == np.uint8
    return {"base64": base64.b64encode(value.tobytes()).decode()}


@dataclass(frozen=True)
class WebModel:
    """A model of the web page.

    Args:
        program: see ``Program.to_json``.
        arrays: the program's arrays by name. Weights are exact in ``float16``.
        description: see ``Description.to_json``.
    """

    program: dict[str, Any]
    arrays: dict[str, ndarray]
    description: dict[str, Any]

    @classmethod
    def of_page(cls, page: bytes) -> "WebModel":
        """Return the model in a page."""
        found = re.search(rb'id="model">(.*?)</script>', page)
        assert found
        model = json.loads(found[1])
        content = gzip.decompress(base64.b64decode(model["weights"]))
        sizes = {array["name"]: math.prod(array["shape"]) for array in model["arrays"]}
        count = sum(sizes[array["name"]] for array in model["arrays"] if array["dtype"] == "float16")
        high, low = np.frombuffer(content[: 2 * count], np.uint8).reshape(2, count)
        rest = {
            "float16": np.stack([low, high], 1).view("<f2").ravel(),
            "float32": np.frombuffer(content[2 * count :], "<f4"),
        }
        arrays = {}
        for array in model["arrays"]:
            name, dtype = array["name"], array["dtype"]
            values, rest[dtype] = np.split(rest[dtype], [sizes[name]])
            arrays[name] = values.astype(np.float32).reshape(array["shape"])
        return cls(model["program"], arrays, model["description"])

    def to_json(self) -> dict[str, Any]:
        """Return the model as it is in the page."""
        dtypes = {name: "float16" if is_weight(array) else "float32" for name, array in self.arrays.items()}
        return {
            "description": self.description | {"source": "test"},
            "program": self.program,
            "arrays": [{"name": name, "shape": self.arrays[name].shape, "dtype": dtypes[name]} for name in dtypes],
            "weights": _packed(list(self.arrays.values())),
        }


def web_model(
    steps: list[dict[str, Any]], output: str, arrays: dict[str, ndarray], image_shape: tuple[int, ...] = (1, 28, 28)
) -> WebModel:
    """Return a model of a few steps, of which the first takes ``images``."""
    description = {
        "image_shape": list(image_shape),
        "classes": [str(index) for index in range(10)],
        "preprocessing": "digit",
        "calibration": None,
    }
    return WebModel({"input": "images", "output": output, "steps": steps}, arrays, description)
