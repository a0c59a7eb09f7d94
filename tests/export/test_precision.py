"""Weights with fewer bits."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy import ndarray

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import DataError, ModelError
from penstroke.export.precision import is_weight, quantise, round_model, round_weights, store_as_float16, with_arrays
from penstroke.export.runtimes import open_onnx

float32 = arrays(np.float32, array_shapes(min_dims=0), elements=st.floats(-65000, 65000, width=32))


def arrays_of(model: onnx.ModelProto) -> dict[str, ndarray]:
    return {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}


@settings(deadline=None)
@given(float32)
def test_rounding_is_that_of_bfloat16_in_the_range_of_float16(array: ndarray) -> None:
    rounded = round_weights(array)
    expected = torch.from_numpy(array).bfloat16().half().float().numpy()
    assert rounded.dtype == np.float32
    assert rounded.tobytes() == expected.tobytes()
    assert round_weights(rounded).tobytes() == rounded.tobytes()


@settings(deadline=None)
@given(arrays(np.float32, 20, elements=st.floats(2**-14, 65000, width=32)))
def test_the_relative_error_of_normal_numbers_is_small(array: ndarray) -> None:
    assert (np.abs(round_weights(array) - array) <= 2.0**-8 * array).all()


@pytest.mark.parametrize("value", [65520, -1e9, np.float32(3e38)])
def test_weights_that_no_float16_can_hold_are_rejected(value: float) -> None:
    with pytest.raises(ModelError, match="more than 65504"):
        round_weights(np.array([[value, 0], [0, 0]], np.float32))


def test_only_arrays_with_two_long_sides_are_rounded() -> None:
    third = np.float32(1 / 3)
    model = {
        "weight": np.full((8, 4), third),
        "filter": np.full((1, 1, 5, 5), third),
        "scale": np.full((3, 1, 1), third),
        "bias": np.full(10, third),
        "temperature": np.array(third),
        "shape": np.array([[-1, 288], [3, 4]]),
    }
    assert [name for name, array in model.items() if is_weight(array)] == ["weight", "filter"]
    changed = [name for name, array in round_model(model).items() if not np.array_equal(array, model[name])]
    assert changed == ["weight", "filter"]


def test_float16_halves_the_weights_and_computes_in_float32(
    colour: Classifier, colour_graph: onnx.ModelProto, colour_data: Dataset
) -> None:
    model = colour_graph
    stored = store_as_float16(model)
    onnx.checker.check_model(stored, full_check=True)
    before, after = arrays_of(model), arrays_of(stored)
    assert {name for name in after if after[name].dtype == np.float16} == {
        "cn1.weight",
        "cn2.weight",
        "fc1.weight",
        "fc2.weight",
    }
    rounded = {name: array.astype(np.float16).astype(np.float32) for name, array in before.items() if is_weight(array)}
    reference = with_arrays(model, before | rounded)
    images = colour_data.test.images
    ours, theirs = (open_onnx(each.SerializeToString(), colour.description)(images) for each in (stored, reference))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert arrays_of(model)["cn1.weight"].dtype == np.float32, "the argument is not changed"


def test_int8_has_7_bits_and_a_scale_for_each_output_channel(
    colour: Classifier, colour_graph: onnx.ModelProto, colour_data: Dataset
) -> None:
    model = colour_graph
    before = model.SerializeToString()
    quantised = quantise(model, colour_data.train.images)
    assert model.SerializeToString() == before
    assert not quantised.metadata_props
    weights = {
        name: array for name, array in arrays_of(quantised).items() if array.dtype == np.int8 and array.ndim >= 2
    }
    assert set(weights) == {"cn2.weight_quantized", "fc1.weight_quantized"}
    for name, array in weights.items():
        assert np.abs(array.astype(int)).max() <= 64
        scales = arrays_of(quantised)[name.replace("_quantized", "_scale")]
        assert scales.shape == (len(array),)
    images = colour_data.test.images
    found = open_onnx(quantised.SerializeToString(), colour.description)(images)
    assert np.abs(np.exp(found) - np.exp(colour.log_probs(images))).max() < 0.1


def test_int8_needs_500_images(colour_graph: onnx.ModelProto, colour_data: Dataset) -> None:
    with pytest.raises(DataError, match=r"has 499 images.*at least 500"):
        quantise(colour_graph, colour_data.train.images[:499])
