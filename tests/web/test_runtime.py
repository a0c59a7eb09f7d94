"""Tests of the runtime of the web page: in Node.js, it computes what the NumPy program computes."""

import base64
from typing import Any

import numpy as np
import pytest
from numpy import ndarray
from support.node import WebModel, run_node, source, web_model

from penstroke.data import Dataset
from penstroke.export import numpy_program

RUN = "return (await createRuntime().load(values.model)).run(values.images, values.count);"


def log_probs(model: WebModel, images: ndarray) -> ndarray:
    """Return the log-probabilities that the runtime computes for images ``[n, c, h, w]``."""
    flat = run_node(RUN, {"model": model.to_json(), "images": images, "count": len(images)})
    return np.array(flat).reshape(len(images), -1)


def test_ready_equals_numpy(ready: WebModel, sample: Dataset) -> None:
    black, white = np.zeros((1, 1, 28, 28), np.uint8), np.full((1, 1, 28, 28), 255, np.uint8)
    images = np.concatenate([sample.test.images[::5], black, white])
    expected = numpy_program.run(ready.program, ready.arrays, images)
    found = log_probs(ready, images)
    assert (found.argmax(1) == expected.argmax(1)).all()
    assert np.abs(np.exp(found) - np.exp(expected)).max() < 1e-5
    np.testing.assert_allclose(log_probs(ready, images[:1]), found[:1], atol=1e-5)


def test_trace_returns_each_step(ready: WebModel, sample: Dataset) -> None:
    image = sample.test.images[:1]
    found = run_node(
        "return (await createRuntime().load(values.model)).trace(values.image);",
        {"model": ready.to_json(), "image": image},
    )
    tensors = {**ready.arrays, ready.program["input"]: image}
    for step, activation in zip(ready.program["steps"], found, strict=True):
        inputs = [tensors[name] for name in step["inputs"]]
        expected = numpy_program.OPERATORS[step["op"]](*inputs, **step["attributes"])
        tensors[step["output"]] = expected
        assert (activation["op"], activation["name"]) == (step["op"], step["output"])
        assert activation["shape"] == list(expected.shape)
        np.testing.assert_allclose(np.reshape(activation["values"], expected.shape), expected, rtol=1e-3, atol=1e-4)


def step(op: str, *inputs: str, output: str, **attributes: Any) -> dict[str, Any]:
    return {"op": op, "inputs": list(inputs), "output": output, "attributes": attributes}


def as_float16(values: ndarray) -> ndarray:
    """Return values that are exact in ``float16``."""
    return values.astype(np.float16).astype(np.float32)


def random_case(seed: int) -> tuple[WebModel, ndarray]:
    """Return a model of one random operator, or of several that belong together, and images."""
    rng = np.random.default_rng(seed)
    n, c, h, w = (int(rng.integers(*limits)) for limits in ((1, 4), (1, 4), (5, 9), (5, 9)))
    out, kernel = int(rng.integers(1, 7)), [int(rng.integers(1, 4)), int(rng.integers(1, 4))]
    strides = rng.integers(1, 4, 2).tolist()
    pads = [int(rng.integers(0, kernel[i % 2])) for i in range(4)]

    def normal(*shape: int) -> ndarray:
        return as_float16(rng.normal(size=shape))

    bias = [normal(out)] * int(rng.integers(2))
    axes = [[2, 3], [-1, -2], [3], [1, 2, 3], [0], [1, -1]][rng.integers(6)]
    limits = [
        ([-1], [-(2.0**63)], [3], [-1]),  # a mirror image
        ([1], [2.0**63], [-2], [1]),
        ([0, 1], [3, -1], [2, 3], [2, 1]),
        ([4], [0], [2], [-2]),
        ([0], [-1], [1], [1]),
    ][rng.integers(5)]
    operand = normal(*[(), (c, 1, 1), (n, 1, h, w), (w,), (1, c, 1, 1)][rng.integers(5)])
    matrix: list[tuple[str, list[ndarray], dict[str, Any]]] = [("Reshape", [np.array([n, -1])], {})]
    cases: list[list[tuple[str, list[ndarray], dict[str, Any]]]] = [
        [("Conv", [normal(out, c, *kernel), *bias], {"strides": strides, "pads": pads})],
        [("Sub", [np.array(200.0)], {}), ("MaxPool", [], {"kernel_shape": kernel, "strides": strides, "pads": pads})],
        [*matrix, ("Gemm", [normal(out, c * h * w), *bias], {"transB": 1})],
        [*matrix, ("Gemm", [normal(c * h * w, out), *bias], {"transB": 0})],
        [*matrix, ("LogSoftmax", [], {"axis": 1})],
        [(str(rng.choice(["Add", "Sub", "Mul", "Div"])), [operand], {})],
        [("BatchNormalization", [normal(c), normal(c), normal(c), rng.random(c) + 0.1], {"epsilon": 1e-3})],
        [("ReduceMean", [np.array(axes)], {"keepdims": int(rng.integers(2))})],
        [("Transpose", [], {"perm": rng.permutation(4).tolist()})],
        [("Reshape", [np.array([[n, -1, w], [n * c, h, w], [-1]][rng.integers(3)])], {})],
        [("Sub", [np.array(100.0)], {}), ("Relu", [], {})],
        [("Slice", [np.array(values) for values in limits], {})],
        [("Unsqueeze", [np.array([[0], [-1], [1, 3]][rng.integers(3)])], {})],
        [("Concat", [normal(n, out, h, w)], {"axis": [1, -3][rng.integers(2)]})],
        [("Concat", [normal(n, c, h, w), normal(n, c, h, w)], {"axis": int(rng.integers(-4, 4))})],
    ]
    steps, name = [step("Cast", "images", output="cast")], "cast"
    arrays: dict[str, ndarray] = {}
    for op, operands, attributes in cases[seed % len(cases)]:
        names = [f"{op}{i}" for i in range(len(operands))]
        arrays |= {key: np.asarray(value, np.float32) for key, value in zip(names, operands, strict=True)}
        steps.append(step(op, name, *names, output=f"{op}_out", **attributes))
        name = f"{op}_out"
    return web_model(steps, name, arrays, (c, h, w)), rng.integers(0, 256, (n, c, h, w), np.uint8)


def test_operators_equal_numpy() -> None:
    cases = [random_case(seed) for seed in range(330)]
    code = """
return Promise.all(values.map(async ({ model, images, count }) => {
  return (await createRuntime().load(model)).run(images, count);
}));"""
    values = [{"model": model.to_json(), "images": images, "count": len(images)} for model, images in cases]
    used: set[str] = set()
    for (model, images), found in zip(cases, run_node(code, values), strict=True):
        expected = numpy_program.run(model.program, model.arrays, images).ravel()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3, err_msg=str(model.program["steps"]))
        used |= {step["op"] for step in model.program["steps"]}
    assert used == set(numpy_program.OPERATORS)


def test_reshape_keeps_sides_given_as_0() -> None:
    """The NumPy program lacks this rule of ONNX."""
    steps = [
        step("Reshape", "images", "shape", output="flat"),
        step("ReduceMean", "flat", "axes", output="mean", keepdims=0),
    ]
    arrays = {"shape": np.array([0, -1], np.float32), "axes": np.array([1], np.float32)}
    images = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    assert log_probs(web_model(steps, "mean", arrays, (1, 2, 2)), images).ravel().tolist() == [1.5, 5.5]


def test_activations_are_combined() -> None:
    """Two inputs of an operator may both be activations, as in a residual network."""
    steps = [step("Cast", "images", output="a"), step("Add", "a", "a", output="b")]
    images = np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2)
    found = log_probs(web_model(steps, "b", {}, (1, 2, 2)), images)
    assert found.ravel().tolist() == list(range(0, 16, 2))


def test_every_float16_is_read_exactly() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    weights = halves[np.isfinite(halves)].astype(np.float32).reshape(2, -1)
    model = web_model(
        [], "w", {"before": np.array([0.1], np.float32), "w": weights, "after": np.array([0.2], np.float32)}
    )
    found = log_probs(model, np.zeros((1, 1, 28, 28), np.uint8))
    assert (found.ravel() == weights.ravel()).all()


def error_of(code: str, values: Any) -> str:
    """Return the message of the error that the code throws."""
    thrown: str = run_node(
        f"return (async () => {{ {code} }})().then(() => 'no error', (error) => error.message);", values
    )
    return thrown


def one_sum(weights: ndarray) -> dict[str, Any]:
    """Return the model that adds weights to an image."""
    return web_model([step("Add", "images", "w", output="sum")], "sum", {"w": weights}).to_json()


TINY = one_sum(np.ones((28, 28), np.float32))
PACKED = base64.b64decode(TINY["weights"])


def test_unsupported_operators_are_named() -> None:
    model = web_model([step("Softplus", "images", output="sum")], "sum", {}).to_json()
    message = error_of("await createRuntime().load(values);", model)
    assert "the operator Softplus" in message
    assert message.removesuffix(".").split("Supported are ")[1].split(", ") == sorted(numpy_program.OPERATORS)


def text_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "weights",
    [
        "",
        "%" + TINY["weights"][1:],
        TINY["weights"][:-5],
        text_of(PACKED[:-9]),
        text_of(PACKED[:20] + bytes([PACKED[20] ^ 1]) + PACKED[21:]),
        text_of(b"not gzip"),
        one_sum(np.ones((28, 27), np.float32))["weights"],
    ],
    ids=["empty", "no base64", "cut base64", "cut", "a changed bit", "no gzip", "too short"],
)
def test_damaged_weights_are_rejected(weights: str) -> None:
    message = error_of("await createRuntime().load(values);", TINY | {"weights": weights})
    assert message.startswith("The weights of the model are damaged: ")


def test_other_errors_say_what_is_wrong() -> None:
    code = "(await createRuntime().load(values.model)).run(values.images, 2);"
    images = np.zeros(784, np.uint8)
    assert error_of(code, {"model": TINY, "images": images}) == "2 images of 1x28x28 do not have 784 values."
    renamed = TINY | {"arrays": [{**TINY["arrays"][0], "name": "other"}]}
    assert error_of(code.replace("2)", "1)"), {"model": renamed, "images": images}) == "The model has no array w."


def test_the_runtime_is_small() -> None:
    assert len(source("runtime.js").encode()) <= 20_000
