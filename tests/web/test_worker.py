"""Tests of the answers of the web page's worker, in Node.js."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from PIL import Image
from support.node import WebModel, run_node, web_model

from penstroke.data import Dataset
from penstroke.export import numpy_program
from penstroke.pictures import preprocess

Message = dict[str, Any]
CODE = """
const replies = [];
const scope = { postMessage: (reply) => replies.push(reply) };
startWorker(scope);
for (const question of values) await scope.onmessage({ data: question });
return replies;"""


def answers(model: WebModel | None, *questions: Message) -> list[Message]:
    """Return the answers to questions, in order, after a model was loaded."""
    load: list[Message] = [{"kind": "load", "model": model.to_json()}] if model else []
    messages = [{"id": 10 + index, **question} for index, question in enumerate([*load, *questions])]
    replies: list[Message] = run_node(CODE, messages)
    assert [reply["id"] for reply in replies] == [message["id"] for message in messages]
    if model:
        assert replies[0]["kind"] == "loaded"
        assert replies[0]["milliseconds"] > 0
    return replies[len(load) :]


def read(picture: ndarray) -> Message:
    return {"kind": "read", "grey": picture, "width": picture.shape[1], "height": picture.shape[0]}


@pytest.fixture(scope="module")
def digits(sample: Dataset) -> list[ndarray]:
    """Return a 0, a 1 and a 2 of MNIST, enlarged, dark on white paper."""
    chosen = [sample.test.images[np.flatnonzero(sample.test.labels == label)[3], 0] for label in range(3)]
    return [255 - np.asarray(Image.fromarray(image).resize((140, 140), Image.Resampling.BICUBIC)) for image in chosen]


def probabilities(model: WebModel, images: ndarray) -> ndarray:
    return np.exp(numpy_program.run(model.program, model.arrays, images))


def test_a_number_is_read(ready: WebModel, digits: list[ndarray]) -> None:
    (reply,) = answers(ready, read(np.hstack(digits)))
    assert (reply["kind"], reply["trace"], reply["reason"]) == ("read", None, "")
    assert [symbol["label"] for symbol in reply["symbols"]] == ["0", "1", "2"]
    for index, symbol in enumerate(reply["symbols"]):
        assert 140 * index < symbol["box"]["x"] < 140 * (index + 1)
        expected = probabilities(ready, np.array(symbol["image"], np.uint8).reshape(1, 1, 28, 28))[0]
        np.testing.assert_allclose(symbol["probabilities"], expected, atol=1e-5)
        assert symbol["probability"] == max(symbol["probabilities"])
        assert not symbol["abstained"]


def test_the_threshold_is_lower_among_several_symbols(ready: WebModel, digits: list[ndarray]) -> None:
    description = ready.description | {"calibration": {"threshold": 1.0}}
    several, single, empty = answers(
        replace(ready, description=description),
        read(np.hstack(digits)),
        read(digits[0]),
        read(np.full((50, 50), 255, np.uint8)),
    )
    assert [symbol["abstained"] for symbol in several["symbols"]] == [False, False, False]
    assert [symbol["abstained"] for symbol in single["symbols"]] == [True]
    assert (empty["symbols"], empty["reason"]) == ([], "it has one uniform colour")
    (uncalibrated,) = answers(replace(ready, description=ready.description | {"calibration": None}), read(digits[0]))
    assert not uncalibrated["symbols"][0]["abstained"]


def test_an_image_is_classified_with_its_trace(ready: WebModel, sample: Dataset) -> None:
    image = sample.test.images[5]
    plain, traced = answers(ready, *({"kind": "classify", "image": image, "trace": trace} for trace in (False, True)))
    (symbol,) = plain["symbols"]
    assert plain["trace"] is None
    assert traced["symbols"] == [symbol]
    assert [step["op"] for step in traced["trace"]] == [step["op"] for step in ready.program["steps"]]
    assert symbol["image"] == image.ravel().tolist()
    assert symbol["box"] == {"x": 0, "y": 0, "width": 28, "height": 28}
    np.testing.assert_allclose(symbol["probabilities"], probabilities(ready, image[None])[0], atol=1e-5)


def test_occlusion_covers_each_part(ready: WebModel, sample: Dataset) -> None:
    image = sample.test.images[7]
    (reply,) = answers(ready, {"kind": "occlusion", "image": image})
    before = probabilities(ready, image[None])[0]
    covered = np.repeat(image[None], 144, 0)
    for index in range(144):
        top, left = 2 * (index // 12), 2 * (index % 12)
        covered[index, 0, top : top + 5, left : left + 5] = 0
    expected = before.max() - probabilities(ready, covered)[:, before.argmax()]
    assert reply["side"] == 12
    np.testing.assert_allclose(reply["values"], expected, atol=1e-5)
    assert np.ptp(expected) > 0.01


def test_images_of_other_shapes_are_prepared_as_in_python(digits: list[ndarray]) -> None:
    step = {"op": "Reshape", "inputs": ["images", "shape"], "output": "flat", "attributes": {}}
    for shape in ((3, 20, 26), (1, 33, 20)):
        model = web_model([step], "flat", {"shape": np.array([0, -1], np.float32)}, shape)
        (reply,) = answers(model, read(digits[2]))
        found = np.array(reply["symbols"][0]["image"]).reshape(shape)
        assert np.abs(found - preprocess(digits[2], "digit", shape).astype(int)).max() <= 2
        (small,) = answers(model, {"kind": "occlusion", "image": np.zeros(shape, np.uint8)})
        assert len(small["values"]) == small["side"] * ((shape[1] - 5) // 2 + 1)


def test_errors_are_answers(ready: WebModel) -> None:
    early, wrong = answers(None, read(np.zeros((9, 9), np.uint8)), {"kind": "load", "model": {}})
    assert (early["kind"], early["message"]) == ("error", "The model is not loaded.")
    assert wrong["kind"] == "error"
    image, blank = np.zeros(5, np.uint8), np.zeros((9, 9), np.uint8)
    mistaken, later = answers(ready, {"kind": "classify", "image": image, "trace": False}, read(blank))
    assert (mistaken["kind"], mistaken["message"]) == ("error", "1 images of 1x28x28 do not have 5 values.")
    assert later["kind"] == "read"
