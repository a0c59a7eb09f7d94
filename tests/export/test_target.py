"""The formats of an export and their options."""

from typing import Any

import pytest

from penstroke.errors import UsageError
from penstroke.export import Target


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target("onnx"), "model.onnx"),
        (Target("onnx", "float16"), "model-float16.onnx"),
        (Target("onnx", "int8", with_preparation=True), "model-int8-with-preparation.onnx"),
        (Target("torch"), "model.pt2"),
        (Target("npz"), "model.npz"),
        (Target("web"), "web"),
        (Target("web", single_file=True), "web.html"),
    ],
)
def test_each_target_has_a_file_name(target: Target, name: str) -> None:
    assert target.file_name == name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "onx"}, "format 'onx' is unknown"),
        ({"format": "onnx", "precision": "int4"}, "precision 'int4' is unknown"),
        ({"format": "npz", "precision": "int8"}, "precision applies only to the format onnx, not to npz"),
        ({"format": "web", "with_preparation": True}, "with-preparation applies only to the format onnx, not to web"),
        ({"format": "onnx", "single_file": True}, "single-file applies only to the format web, not to onnx"),
    ],
)
def test_unknown_values_and_options_of_other_formats_are_rejected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Target(**values)
