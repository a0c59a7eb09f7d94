"""Agreement of the ONNX preparation of drawings with Penstroke's: ``python -m benchmarks.drawing_agreement MODEL``.

Compares the labels of ``Classifier.predict`` with those of the ONNX graph of the same model that takes drawings, on pen
strokes and on enlarged test images, and writes the figures to ``benchmarks/results/drawing-agreement.json``.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import cyclopts
import onnxruntime

from benchmarks.conditions import save_result, summary
from benchmarks.drawings import Canvas, Picture, canvases, drawings, mnist_drawings
from penstroke import Classifier, load, runtime
from penstroke.export.drawing import with_preparation
from penstroke.export.graph import onnx_graph
from penstroke.inference.backends.torch import TorchBackend

BLOCK = 500
"""Number of drawings of each seed."""

Draw = Callable[[int, int], list[tuple[Picture, int]]]
"""A function from a number of drawings and a seed to drawings with their labels."""
Figures = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """One drawing with its predictions.

    Args:
        origin: seed and index of the drawing.
        canvas: the canvas and the pen.
        label: the digit that was drawn.
        expected: most probable class of ``Classifier.predict``; None if it found no symbol.
        found: most probable class of the ONNX graph; None if it found no ink.
        seconds: processor time of the ONNX graph, with one thread.
    """

    origin: tuple[int, int]
    canvas: Canvas
    label: str
    expected: str | None
    found: str | None
    seconds: float

    @property
    def differs(self) -> bool:
        """Whether both predict a class, but not the same."""
        return self.expected is not None and self.found is not None and self.expected != self.found


def compare(classifier: Classifier, session: onnxruntime.InferenceSession, draw: Draw) -> Iterator[Comparison]:
    """Yield comparisons without end."""
    classes = classifier.description.classes
    for seed in count():
        pairs = zip(canvases(BLOCK, seed), draw(BLOCK, seed), strict=True)
        for index, (canvas, (drawing, label)) in enumerate(pairs):
            start = time.process_time()
            log_probs, ink = session.run(["log_probs", "ink"], {"drawing": drawing[None]})
            seconds = time.process_time() - start
            found = classes[int(log_probs.argmax())] if ink[0] else None
            expected = classifier.predict(drawing).most_probable
            yield Comparison((seed, index), canvas, classes[label], expected, found, seconds)


def kinds(canvas: Canvas, has_pen: bool) -> list[str]:
    """Return the kinds of a drawing: its size, its polarity and, if a pen drew it, the pen and the edges."""
    side = max(canvas.width, canvas.height)
    size = "below 150 pixels" if side < 150 else "150 to 349 pixels" if side < 350 else "from 350 pixels"
    polarity = "dark on bright" if canvas.ink < canvas.paper else "bright on dark"
    if not has_pen:
        return [size, polarity]
    pen = "fine pen" if canvas.pen < 0.04 else "medium pen" if canvas.pen < 0.15 else "felt pen"
    return [size, polarity, pen, "smooth" if canvas.smooth else "jagged"]


def figures(compared: list[Comparison], has_pen: bool) -> Figures:
    """Return how many labels differ, in all and by kind, and how many are correct."""
    drawn = Counter(kind for item in compared for kind in kinds(item.canvas, has_pen))
    differing = [item for item in compared if item.differs]
    different = Counter(kind for item in differing for kind in kinds(item.canvas, has_pen))
    times = summary([1000 * item.seconds for item in compared])
    return {
        "n": len(compared),
        "different": len(differing),
        "no_symbol_of_classifier": sum(item.expected is None for item in compared),
        "no_ink_of_graph": sum(item.found is None for item in compared),
        "correct_of_classifier": sum(item.expected == item.label for item in compared),
        "correct_of_graph": sum(item.found == item.label for item in compared),
        "cpu_milliseconds_of_graph": {name: times[name] for name in ("median", "min", "max")},
        "kinds": {kind: {"n": drawn[kind], "different": different[kind]} for kind in sorted(drawn)},
        "differing": [
            {"seed": item.origin[0], "index": item.origin[1], "label": item.label}
            | {"classifier": item.expected, "graph": item.found}
            for item in differing
        ],
    }


def open_graph(classifier: Classifier) -> onnxruntime.InferenceSession:
    """Return the ONNX graph of a classifier that takes drawings, computed with one thread."""
    backend = classifier.backend
    assert isinstance(backend, TorchBackend)
    model = with_preparation(onnx_graph(backend.module, classifier.description), classifier.description)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main(model: Path, /, *, n: int = 5000) -> None:
    """Compare a model and its ONNX graph on drawings.

    Parameters
    ----------
    model
        A run folder or a model file.
    n
        Number of drawings of each origin.
    """
    runtime.configure()
    classifier = Classifier.load(model, backend="torch")
    session = open_graph(classifier)
    recipe = classifier.description.trained.get("recipe", {})
    found: Figures = {"model": recipe.get("name", "unknown"), "seed": recipe.get("seed")}
    found["onnxruntime"] = onnxruntime.__version__
    origins: dict[str, Draw] = {"drawn": drawings, "mnist": partial(mnist_drawings, load("auto").test)}
    for name, draw in origins.items():
        found[name] = figures(list(islice(compare(classifier, session, draw), n)), has_pen=name == "drawn")
        print(f"{name}: {found[name]['different']} of {n} labels differ {found[name]['differing']}", flush=True)
    print(f"Saved {save_result('drawing-agreement', found)}")


if __name__ == "__main__":
    cyclopts.run(main)
