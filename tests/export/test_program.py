"""The program of a graph."""

import json

import onnx
import pytest
from onnx import helper

from penstroke.errors import ModelError
from penstroke.export.program import program_of


def test_each_step_names_known_values_and_has_all_attributes(residual_graph: onnx.ModelProto) -> None:
    program = program_of(residual_graph)
    known = {program.input, *program.arrays}
    for step in program.steps:
        assert step.keys() == {"op", "inputs", "output", "attributes"}
        assert set(step["inputs"]) <= known
        known.add(step["output"])
    assert program.output in known
    attributes = {step["op"]: set(step["attributes"]) for step in program.steps}
    assert attributes["Conv"] == {"strides", "pads"}
    assert attributes["MaxPool"] == {"kernel_shape", "strides", "pads"}
    assert attributes["Gemm"] == {"transB"}
    assert attributes["LogSoftmax"] == {"axis"}
    assert attributes["BatchNormalization"] == {"epsilon"}
    assert json.loads(json.dumps(program.to_json())) == program.to_json()


def test_attributes_that_a_graph_omits_have_the_default_values_of_onnx() -> None:
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, None)
    operators = {"Gemm": 2, "ReduceMean": 2, "LogSoftmax": 1, "BatchNormalization": 5, "Conv": 2}
    nodes = [helper.make_node(operator, ["x"] * inputs, ["x"]) for operator, inputs in operators.items()]
    nodes.append(helper.make_node("MaxPool", ["x"], ["x"], kernel_shape=[2, 2]))
    program = program_of(helper.make_model(helper.make_graph(nodes, "omitting", [value], [value])))
    *scalars, conv, pool = program.steps
    for step in scalars:
        schema = onnx.defs.get_schema(step["op"]).attributes
        defaults = {name: helper.get_attribute_value(schema[name].default_value) for name in step["attributes"]}
        assert step["attributes"] == pytest.approx(defaults)
    assert conv["attributes"] == {"strides": [1, 1], "pads": [0, 0, 0, 0]}
    assert pool["attributes"] == {"kernel_shape": [2, 2], "strides": [1, 1], "pads": [0, 0, 0, 0]}


def test_all_unsupported_operators_and_attributes_are_named() -> None:
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["x"]),
        helper.make_node("Conv", ["x", "x"], ["x"], group=3),
        helper.make_node("Conv", ["x", "x"], ["x"], dilations=[2, 2], group=1),
        helper.make_node("MaxPool", ["x"], ["x"], kernel_shape=[2, 2], ceil_mode=1),
        helper.make_node("MaxPool", ["x"], ["x", "y"], kernel_shape=[2, 2]),
        helper.make_node("Cast", ["x"], ["x"], to=onnx.TensorProto.INT64),
        helper.make_node("Relu", ["x"], ["x"], domain="other"),
        helper.make_node("Slice", ["x", "x", "x"], ["x"]),
    ]
    with pytest.raises(ModelError, match="formats npz and web do not support") as caught:
        program_of(helper.make_model(helper.make_graph(nodes, "unusual", [value], [value])))
    assert caught.value.message.endswith(
        ": Cast with to 7, Conv with dilations [2, 2], Conv with group 3, MaxPool, MaxPool with ceil_mode 1, "
        "Relu, Sigmoid, Slice without axes and steps."
    )
