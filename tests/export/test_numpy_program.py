"""The NumPy program: each operator computes what onnxruntime computes, and the file works alone."""

import ast
import inspect
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy import ndarray
from onnx import helper

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.export import numpy_program
from penstroke.export.npz import npz_bytes
from penstroke.export.program import program_of
from penstroke.models.description import Description

SOURCE = Path(inspect.getfile(numpy_program))
PAGE = Path(__file__).parents[2] / "docs/export.md"
sizes = st.integers(1, 3)
pads = st.lists(st.integers(0, 2), min_size=4, max_size=4)


def of_onnxruntime(operator: str, operands: list[ndarray], attributes: dict[str, Any]) -> ndarray:
    """Return the output of one operator, computed by onnxruntime."""
    names = [f"input{index}" for index in range(len(operands))]
    values = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(operand.dtype), operand.shape)
        for name, operand in zip(names, operands, strict=True)
    ]
    output = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node(operator, names, ["output"], **attributes)], "one", values, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, dict(zip(names, operands, strict=True)))[0])


def check(operator: str, *operands: ndarray, to: dict[str, Any] | None = None, **attributes: Any) -> None:
    """Compare one operator with onnxruntime; ``to`` has attributes that programs leave out."""
    expected = of_onnxruntime(operator, list(operands), attributes | (to or {}))
    found = numpy_program.OPERATORS[operator](*operands, **attributes)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def normal(*shape: int) -> ndarray:
    return np.asarray(np.random.default_rng(0).normal(size=shape), np.float32)


@settings(max_examples=30, deadline=None)
@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), pads, st.booleans())
def test_convolution(kernel: tuple[int, int], strides: tuple[int, int], pads: list[int], bias: bool) -> None:
    operands = [normal(2, 3, 7, 6), normal(4, 3, *kernel), normal(4)]
    check("Conv", *operands[: 2 + bias], strides=list(strides), pads=pads)


@settings(max_examples=30, deadline=None)
@given(st.tuples(sizes, sizes), st.tuples(sizes, sizes), pads)
def test_max_pool(kernel: tuple[int, int], strides: tuple[int, int], pads: list[int]) -> None:
    inside = [min(pad, side - 1) for pad, side in zip(pads, kernel * 2, strict=True)]  # a window has some pixel
    check("MaxPool", normal(2, 3, 7, 6) - 5, kernel_shape=list(kernel), strides=list(strides), pads=inside)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 2)])
def test_batch_normalisation(shape: tuple[int, ...]) -> None:
    check("BatchNormalization", normal(*shape), normal(4), normal(4), normal(4), np.abs(normal(4)), epsilon=1e-3)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("bias", [False, True])
def test_matrix_product(transposed: int, bias: bool) -> None:
    weight = normal(3, 4) if transposed else normal(4, 3)
    check("Gemm", *[normal(5, 4), weight, normal(3)][: 2 + bias], transB=transposed)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("shape", [(), (3, 1, 1), (2, 3, 4, 5)])
def test_arithmetic(operator: str, shape: tuple[int, ...]) -> None:
    check(operator, normal(2, 3, 4, 5), np.asarray(normal(*shape) + 5))


@pytest.mark.parametrize(("axes", "keepdims"), [([2, 3], 0), ([-1, -2], 1), ([0], 0)])
def test_mean(axes: list[int], keepdims: int) -> None:
    check("ReduceMean", normal(2, 3, 4, 5), np.array(axes), keepdims=keepdims)


@pytest.mark.parametrize(
    "limits",
    [
        ([-1], [-(2**63)], [3], [-1]),  # mirrored, as PyTorch writes it
        ([-1], [-(2**63)], [-1], [-1]),
        ([1], [2**63 - 1], [1], [1]),
        ([0, 1], [3, -1], [2, 3], [2, 1]),
        ([3], [0], [2], [-2]),
    ],
)
def test_parts_and_mirror_images(limits: tuple[list[int], ...]) -> None:
    check("Slice", normal(2, 3, 4, 5), *map(np.array, limits))


def test_several_arrays_are_joined() -> None:
    for axis in (0, 1, -1):
        check("Concat", normal(2, 3, 4), normal(2, 3, 4), axis=axis)
    check("Concat", normal(2, 3, 4), normal(2, 1, 4), normal(2, 2, 4), axis=1)
    for axes in ([0], [-1], [0, 2]):
        check("Unsqueeze", normal(2, 3), np.array(axes))


def test_other_operators() -> None:
    check("Cast", np.arange(256).astype(np.uint8), to={"to": onnx.TensorProto.FLOAT})
    check("Relu", normal(3, 4))
    check("Reshape", normal(2, 3, 4), np.array([-1, 12]))
    check("Transpose", normal(2, 3, 4, 5), perm=[0, 2, 3, 1])
    check("LogSoftmax", 50 * normal(3, 10), axis=1)
    assert numpy_program.OPERATORS["LogSoftmax"](np.array([[1e4, -1e4]]), axis=-1).tolist() == [[0, -2e4]]


def test_it_is_short_and_needs_numpy_alone() -> None:
    tree = ast.parse(SOURCE.read_text())
    lines = SOURCE.read_text().splitlines()
    docstrings = {
        number
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for number in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    code = [line for number, line in enumerate(lines, start=1) if line.strip() and number not in docstrings]
    assert len(code) <= 45
    imported = re.findall(r"^(?:from|import) (\w+)", SOURCE.read_text(), re.MULTILINE)
    assert set(imported) - sys.stdlib_module_names == {"numpy"}


def test_the_page_quotes_it() -> None:
    assert f"```python\n{SOURCE.read_text()}```" in PAGE.read_text(encoding="utf-8")


def test_the_quoted_program_classifies_images(
    book: Classifier, book_graph: onnx.ModelProto, small: Dataset, tmp_path: Path
) -> None:
    (program,) = re.findall(r"```python\n(\"\"\"Compute a model.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "numpy_program.py").write_text(program)
    (tmp_path / "model.npz").write_bytes(npz_bytes(program_of(book_graph), book.description))
    images = small.test.images[:50]
    np.save(tmp_path / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-I", "numpy_program.py", "model.npz", "images.npy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [book.description.classes[index] for index in book.log_probs(images).argmax(1)]
    assert done.stdout.split() == expected


def test_the_arrays_have_the_names_of_the_network(book: Classifier, book_graph: onnx.ModelProto) -> None:
    with np.load(io.BytesIO(npz_bytes(program_of(book_graph), book.description)), allow_pickle=False) as file:
        assert {"cn1.weight", "fc2.bias", "program", "description"} <= set(file)
        np.testing.assert_array_equal(file["cn1.weight"], book.backend.weights()["cn1.weight"])
        assert Description.from_json(json.loads(str(file["description"]))) == book.description
