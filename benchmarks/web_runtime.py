"""The scripts of the web page in Node.js and Chromium: ``python -m benchmarks.web_runtime``.

Compares the runtime with the NumPy program of the same rounded weights on MNIST's test set, and the preparation with
``penstroke.pictures`` on drawings. Measures their times, and writes all figures to
``benchmarks/results/web-runtime.json``.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import cyclopts
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from playwright.sync_api import Browser, sync_playwright

from benchmarks.browser_digits import browser_path
from benchmarks.conditions import save_result, summary
from benchmarks.drawings import Picture, drawings, mnist_drawings
from penstroke import Classifier, load, runtime
from penstroke.data import Split
from penstroke.export import numpy_program
from penstroke.export.graph import onnx_graph
from penstroke.export.precision import round_model
from penstroke.export.program import program_of
from penstroke.export.web import web_page
from penstroke.inference.backends.torch import TorchBackend
from penstroke.pictures.prepare import prepare

SCRIPTS = ("runtime.js", "drawing.js", "fitting.js", "worker.js")
TIMED = 500
"""Number of images that are timed one by one."""
SENT = 40
"""Number of drawings that are sent to the browser at once."""
SETUP = """
const bytesOf = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const timed = (times, action) => {
  const start = performance.now();
  const result = action();
  times.push(performance.now() - start);
  return result;
};
const classify = async ({ model, images, count, timedCount }) => {
  const start = performance.now();
  const runtime = await createRuntime().load(model);
  const load = performance.now() - start;
  const [pixels, batch] = [bytesOf(images), 100];
  const size = pixels.length / count;
  const [times, logProbs] = [[], []];
  for (let i = 0; i < timedCount; i++) timed(times, () => runtime.run(pixels.subarray(i * size, (i + 1) * size), 1));
  for (let i = 0; i < count; i += batch) {
    logProbs.push(...runtime.run(pixels.subarray(i * size, (i + batch) * size), Math.min(batch, count - i)));
  }
  return { load, times, logProbs };
};
const prepareAll = (pictures) => {
  const [{ prepare }, times] = [createDrawing(), []];
  const images = pictures.map(({ grey, width, height }) => {
    const pixels = bytesOf(grey);
    return timed(times, () => prepare(pixels, width, height, 28)).image;
  });
  return { times, images: images.map((image) => image && Array.from(image)) };
};
"""

Caller = Callable[[str, Any], Any]
"""Calls a function of JavaScript with plain values and returns its result."""
Figures = dict[str, Any]


def source() -> str:
    """Return the scripts of the page and the functions of this benchmark."""
    web = resources.files("penstroke") / "web"
    return "\n".join([*((web / name).read_text(encoding="utf-8") for name in SCRIPTS), SETUP])


def call_node(function: str, values: Any) -> Any:
    """Call a function in a new process of Node.js."""
    program = f"""{source()}
const values = JSON.parse(require("fs").readFileSync(0, "utf8"));
Promise.resolve({function}(values)).then((result) => console.log(JSON.stringify(result)));"""
    done = subprocess.run(["node", "-e", program], input=json.dumps(values), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def caller_in(browser: Browser) -> Caller:
    """Return the function that calls functions in a new page."""
    page = browser.new_page()
    page.set_content(f"<script>{source()}</script>")
    return lambda function, values: page.evaluate(f"values => {function}(values)", values)


def text_of(pixels: UInt8[ndarray, "..."]) -> str:
    return base64.b64encode(pixels.tobytes()).decode()


def measure_runtime(call: Caller, model: Figures, test: Split, expected: Float[ndarray, "n classes"]) -> Figures:
    """Classify test images, compare with the expected log-probabilities, and time the first ones one by one."""
    values = {"model": model, "images": text_of(test.images), "count": len(test), "timedCount": TIMED}
    result = call("classify", values)
    found = np.array(result["logProbs"]).reshape(expected.shape)
    return {
        "images": len(test),
        "different_labels": int((found.argmax(1) != expected.argmax(1)).sum()),
        "largest_difference": float(np.abs(np.exp(found) - np.exp(expected)).max()),
        "load_ms": result["load"],
        "one_digit_ms": times(result["times"]),
    }


def times(milliseconds: list[float]) -> Figures:
    """Return median, percentiles and range of durations. The first ones include compilation by the browser."""
    figures = {key: value for key, value in summary(milliseconds).items() if key != "values"}
    return figures | {"first": milliseconds[0], "p95": float(np.percentile(milliseconds, 95))}


def measure_preparation(
    call: Caller, pictures: list[Picture], classify: Callable[[ndarray], Float[ndarray, "n classes"]]
) -> Figures:
    """Prepare drawings, and compare with Python: the images, and the labels of the same network."""
    found: list[UInt8[ndarray, "28 28"]] = []
    milliseconds: list[float] = []
    for part in _parts(pictures, SENT):
        sent = [{"grey": text_of(p), "width": p.shape[1], "height": p.shape[0]} for p in part]
        result = call("prepareAll", sent)
        found += [np.array(image, np.uint8).reshape(28, 28) for image in result["images"]]
        milliseconds += result["times"]
    expected = [prepare(picture) for picture in pictures]
    labels, expected_labels = (classify(np.stack(images)[:, None]).argmax(1) for images in (found, expected))
    differences = np.abs(np.stack(found).astype(int) - np.stack(expected)).max((1, 2))
    return {
        "drawings": len(pictures),
        "different_labels": int((labels != expected_labels).sum()),
        "images_within_2_levels": int((differences <= 2).sum()),
        "median_pixels": float(np.median([picture.size for picture in pictures])),
        "ms": times(milliseconds),
    }


def _parts(pictures: list[Picture], size: int) -> Iterator[list[Picture]]:
    rest = iter(pictures)
    while part := list(islice(rest, size)):
        yield part


def main(model: Path | None = None, *, n: int = 1000) -> None:
    """Measure the scripts of the web page with a model.

    Parameters
    ----------
    model
        A run folder or a model file; the default is the bundled model.
    n
        Number of drawings of each kind.
    """
    runtime.configure()
    classifier = Classifier.load(model or "ready", backend="torch")
    assert isinstance(classifier.backend, TorchBackend)
    program = program_of(onnx_graph(classifier.backend.module, classifier.description))
    arrays = round_model(program.arrays)
    description = classifier.description.to_json() | {"source": classifier.source}
    page = web_page(program, description, single_file=True)["index.html"].decode()
    web_model = json.loads(page.split('id="model">')[1].split("</script>")[0])

    def classify(images: UInt8[ndarray, "n c h w"]) -> Float[ndarray, "n classes"]:
        batches = (images[first : first + 500] for first in range(0, len(images), 500))
        return np.concatenate([numpy_program.run(program.to_json(), arrays, batch) for batch in batches])

    test = load("mnist").test
    expected = classify(test.images)
    web = resources.files("penstroke") / "web"
    figures: Figures = {
        "model": classifier.source,
        "bytes": {name: len((web / name).read_bytes()) for name in SCRIPTS},
    }
    if shutil.which("node"):
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        figures["node"] = {"version": version, "runtime": measure_runtime(call_node, web_model, test, expected)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        call = caller_in(browser)
        strokes = [picture for picture, _ in drawings(n, seed=0)]
        enlarged = [picture for picture, _ in mnist_drawings(test, n, seed=0)]
        figures["chromium"] = {
            "version": browser.version,
            "runtime": measure_runtime(call, web_model, test, expected),
            "pen strokes": measure_preparation(call, strokes, classify),
            "enlarged test images": measure_preparation(call, enlarged, classify),
        }
        browser.close()
    print(json.dumps(figures, indent=1))
    print(f"Saved {save_result('web-runtime', figures)}")


if __name__ == "__main__":
    cyclopts.run(main)
