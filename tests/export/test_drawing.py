"""The ONNX graph that takes drawings: it computes the preparation of ``penstroke.pictures``."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from onnxscript import BOOL, FLOAT, INT64

from benchmarks.drawings import Picture, drawings, mnist_drawings
from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import ModelError
from penstroke.export import drawing_functions as functions
from penstroke.export.drawing import inlined, preparation, with_preparation
from penstroke.inference.backends.torch import TorchBackend
from penstroke.pictures import basics
from penstroke.pictures.prepare import prepare

Session: TypeAlias = onnxruntime.InferenceSession
SIDES = st.integers(1, 60)


def session_of(model: onnx.ModelProto) -> Session:
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def model(book: Classifier, make_graph: Callable[..., onnx.ModelProto]) -> onnx.ModelProto:
    assert isinstance(book.backend, TorchBackend)
    return with_preparation(make_graph(book.backend.module, book.description), book.description)


@pytest.fixture(scope="module")
def session(model: onnx.ModelProto) -> Session:
    return session_of(model)


def prepared_by(session: Session, drawing: Picture) -> Picture:
    (image,) = session.run(["image"], {"drawing": drawing[None]})
    return image[0, 0]


def difference(a: Picture, b: Picture) -> float:
    """Return the mean difference of two images, minimised over shifts by a pixel: a centre may round either way."""
    moves = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(float(np.abs(np.roll(a, move, (0, 1)).astype(int) - b).mean()) for move in moves)


def test_inputs_and_outputs(model: onnx.ModelProto, session: Session) -> None:
    assert [(value.name, value.type, value.shape) for value in session.get_inputs()] == [
        ("drawing", "tensor(uint8)", [1, "height", "width"])
    ]
    assert [(value.name, value.type, value.shape) for value in session.get_outputs()] == [
        ("log_probs", "tensor(float)", [1, 10]),
        ("image", "tensor(uint8)", [1, 1, 28, 28]),
        ("ink", "tensor(bool)", [1]),
    ]
    assert not model.functions
    assert {opset.domain for opset in model.opset_import} == {""}


def test_equal_models_give_equal_bytes(book: Classifier, book_graph: onnx.ModelProto, model: onnx.ModelProto) -> None:
    again = with_preparation(book_graph, book.description)
    assert again.SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)


@pytest.mark.parametrize("origin", ["drawn", "mnist"])
def test_drawings_get_the_image_and_the_label_of_penstroke(
    origin: str, session: Session, book: Classifier, sample: Dataset
) -> None:
    pairs = drawings(40, 1) if origin == "drawn" else mnist_drawings(sample.test, 40, 1)
    found = [session.run(None, {"drawing": drawing[None]}) for drawing, _ in pairs]
    log_probs, images, ink = (np.concatenate(values) for values in zip(*found, strict=True))
    assert ink.all()
    assert np.abs(log_probs - book.log_probs(images)).max() < 1e-3
    expected = np.stack([prepare(drawing) for drawing, _ in pairs])
    assert (log_probs.argmax(1) == book.log_probs(expected[:, None]).argmax(1)).all()
    differences = [difference(image[0], other) for image, other in zip(images, expected, strict=True)]
    assert np.median(differences) < 0.1
    assert max(differences) < 15


def test_images_of_the_right_size_are_not_resampled(session: Session, sample: Dataset) -> None:
    images = sample.test.images[:50, 0]
    differences = [difference(prepared_by(session, image), prepare(image)) for image in images]
    # Unlike `prepare`, the graph keeps specks.
    assert np.quantile(differences, 0.9) < 0.1


def test_the_digit_is_the_same_in_both_polarities(session: Session) -> None:
    for drawing, _ in drawings(10, 2):
        assert (prepared_by(session, drawing) == prepared_by(session, 255 - drawing)).all()


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (1, 300), (1200, 900)])
def test_an_empty_canvas_has_no_ink_and_equal_probabilities(
    session: Session, level: int, shape: tuple[int, int]
) -> None:
    drawing = np.full((1, *shape), level, np.uint8)
    drawing[0, 0, :: max(2, shape[1] // 2)] ^= 3  # nearly uniform
    log_probs, image, ink = session.run(None, {"drawing": drawing})
    assert not ink.any()
    assert not image.any()
    assert np.exp(log_probs) == pytest.approx(0.1)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.integers(0, 2**32 - 1), st.integers(2, 256))
def test_any_pixels_give_an_image(session: Session, height: int, width: int, seed: int, levels: int) -> None:
    drawing = np.random.default_rng(seed).integers(0, levels, (1, height, width)).astype(np.uint8)
    log_probs, image, ink = session.run(None, {"drawing": drawing})
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=1e-4)
    assert image.any() == ink.all()


@pytest.mark.parametrize(("pen", "low", "high"), [(2, 0.03, 0.12), (90, 0.1, 0.4)])
def test_fine_and_wide_pens_get_stroke_widths_of_mnist(session: Session, pen: int, low: float, high: float) -> None:
    drawing = np.full((300, 300), 255, np.uint8)
    drawing[50:250, 150 - pen // 2 : 150 + (pen + 1) // 2] = 0
    drawing[50 : 50 + pen, 60:150] = 0
    image = prepared_by(session, drawing)
    assert difference(image, prepare(drawing)) < 1
    assert low < image.mean() / 255 < high


def test_ink_may_cover_more_than_half_of_a_drawing(session: Session) -> None:
    y, x = np.mgrid[-60:60, -60:60]
    distance = np.hypot(x, y)
    zero = np.where((distance > 20) & (distance < 56), np.uint8(60), np.uint8(250))
    assert difference(prepared_by(session, zero), prepare(zero)) < 1


def test_faint_marks_beside_the_strokes_are_not_part_of_the_digit(session: Session) -> None:
    drawing = np.full((120, 120), 255, np.uint8)
    drawing[30:90, 55:63] = 0
    marked = drawing.copy()
    marked[40:44, 100:110] = 230
    assert (prepared_by(session, marked) == prepared_by(session, drawing)).all()


def test_images_may_have_another_size(book: Classifier, book_graph: onnx.ModelProto) -> None:
    prepared = session_of(preparation(40, book_graph.ir_version))
    for drawing, _ in drawings(5, 3):
        assert difference(prepared_by(prepared, drawing), prepare(drawing, 40)) < 15


@pytest.mark.parametrize(
    "changes", [{"preprocessing": "letterbox"}, {"image_shape": (3, 28, 28)}, {"image_shape": (1, 28, 32)}]
)
def test_other_models_are_rejected(book: Classifier, book_graph: onnx.ModelProto, changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"needs \[1, size, size\] and 'digit'"):
        with_preparation(book_graph, replace(book.description, **changes))


def compiled(function: Any, inputs: list[Any], output: Any) -> Callable[..., ndarray]:
    """Return an ONNX function as a function of arrays."""
    model = inlined(function.to_model_proto(input_types=inputs, output_types=[output], ir_version=10))
    session = session_of(model)
    names = [value.name for value in session.get_inputs()]
    return lambda *arrays: session.run(None, dict(zip(names, arrays, strict=True)))[0]


@pytest.fixture(scope="module")
def resize() -> Callable[..., ndarray]:
    return compiled(functions.resize, [FLOAT["h", "w"], INT64, INT64], FLOAT["h2", "w2"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SIDES, SIDES, SIDES, SIDES)
def test_resize_equals_pillow(
    resize: Callable[..., ndarray], height: int, width: int, new_height: int, new_width: int
) -> None:
    level = np.random.default_rng(height + 100 * width).random((height, width)).astype(np.float32)
    expected = basics.resize_to(level, (new_width, new_height))
    assert np.abs(resize(level, np.array(new_height), np.array(new_width)) - expected).max() < 1e-4


@pytest.fixture(scope="module")
def stroke_width() -> Callable[..., ndarray]:
    return compiled(functions.stroke_width, [BOOL["h", "w"]], FLOAT)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(SIDES, SIDES, st.integers(0, 2**32 - 1))
def test_stroke_width_is_exact(stroke_width: Callable[..., ndarray], height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < rng.random()
    assert stroke_width(mask) == pytest.approx(basics.stroke_width(mask)[0], abs=1e-4)


@pytest.mark.parametrize("shape", [(900, 1000), (1001, 700), (1500, 2000)])
def test_large_drawings_are_averaged_as_by_pillow(shape: tuple[int, int]) -> None:
    shrink = compiled(functions.shrink, [FLOAT["h", "w"]], FLOAT["h2", "w2"])
    grey = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert (shrink(grey.astype(np.float32)) == basics.shrink(grey, 1000 / max(shape))).mean() > 0.99
