"""Activations equal those of the network, and attributions what their definitions say."""

import numpy as np
import pytest
import torch
from numpy import ndarray

from penstroke.data import Dataset
from penstroke.errors import MissingExtraError, UsageError
from penstroke.inference import Classifier, explanations
from penstroke.inference.explanations import METHODS
from penstroke.models.description import Description
from penstroke.networks import NETWORKS
from penstroke.runs import Run


@pytest.fixture(scope="module")
def classifier(sample_run: Run) -> Classifier:
    return Classifier.load(sample_run.path)


@pytest.fixture(scope="module")
def images(sample: Dataset) -> ndarray:
    return sample.test.images[:6].copy()


def untrained(kind: str) -> Classifier:
    torch.manual_seed(1)
    spec = NETWORKS[kind]()
    module = spec.build()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    classes = tuple("0123456789")
    description = Description(network=spec, image_shape=(1, 28, 28), classes=classes, mean=(0.1307,), std=(0.3081,))
    return Classifier.from_module(module, description)


def log_odds(classifier: Classifier, images: ndarray, classes: ndarray) -> ndarray:
    """Return the log-odds by the formula, in float64."""
    probabilities = np.exp(classifier.log_probs(images).astype(np.float64))[np.arange(len(images)), classes]
    return np.log(probabilities) - np.log1p(-probabilities)


def test_stages_are_the_outputs_of_the_layers(classifier: Classifier, images: ndarray) -> None:
    found = explanations.stages(classifier, images[0])
    assert [stage.layers for stage in found] == [
        ("normalise",),
        ("cn1", "relu1"),
        ("cn2", "relu2"),
        ("fc1", "relu3"),
        ("fc2", "log_softmax"),
    ]
    assert [stage.values.shape for stage in found] == [(1, 28, 28), (16, 26, 26), (32, 12, 12), (64,), (10,)]
    assert [stage.is_maps for stage in found] == [True, True, True, False, False]
    np.testing.assert_allclose(found[-1].values, classifier.log_probs(images[:1])[0], atol=1e-5)


def test_a_map_is_the_convolution_with_its_kernel(classifier: Classifier, images: ndarray) -> None:
    kernels = explanations.first_kernels(classifier)
    assert kernels is not None
    assert (kernels.layer, kernels.values.shape) == ("cn1", (16, 1, 3, 3))
    normalised, maps = (stage.values for stage in explanations.stages(classifier, images[0])[:2])
    weights = classifier.backend.weights()
    patch = normalised[0, 10:13, 5:8]
    expected = np.maximum(0, (kernels.values[:, 0] * patch).sum((1, 2)) + weights["cn1.bias"])
    np.testing.assert_allclose(maps[:, 10, 5], expected, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(NETWORKS))
def test_integrated_gradients_sum_up_to_the_change_of_the_log_odds(kind: str, images: ndarray) -> None:
    classifier = untrained(kind)
    classes = np.arange(len(images), dtype=np.int64)
    values = explanations.attributions(classifier, images, classes)
    assert values.shape == images.shape
    change = log_odds(classifier, images, classes) - log_odds(classifier, np.zeros_like(images), classes)
    np.testing.assert_allclose(values.sum((1, 2, 3)), change, atol=0.03 * np.abs(change).max())


def test_a_gradient_is_a_difference_quotient(images: ndarray) -> None:
    classifier = untrained("convnet")
    classes = np.array([3], np.int64)
    (found,) = explanations.attributions(classifier, images[:1], classes, "gradient")
    assert (found >= 0).all()
    place = np.unravel_index(int(found.argmax()), found.shape)
    higher, lower = images[:1].copy(), images[:1].copy()
    middle = int(np.clip(images[0][place], 1, 254))
    higher[0][place], lower[0][place] = middle + 1, middle - 1
    images = images.copy()
    images[0][place] = middle
    (found,) = explanations.attributions(classifier, images[:1], classes, "gradient")
    slope = (log_odds(classifier, higher, classes) - log_odds(classifier, lower, classes))[0] / 2
    assert found[place] == pytest.approx(abs(slope), rel=0.05)


def test_occlusion_is_the_fall_of_the_log_odds(images: ndarray) -> None:
    classifier = untrained("convnet")
    classes = np.array([3], np.int64)
    (found,) = explanations.attributions(classifier, images[:1], classes, "occlusion")
    covered = images[:1].copy()
    covered[0, :, :4, :4] = 0
    # Only the first square covers the corner.
    fall = log_odds(classifier, images[:1], classes) - log_odds(classifier, covered, classes)
    assert found[0, 0, 0] == pytest.approx(fall[0], abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_attributions_leave_the_classifier_unchanged(method: str, classifier: Classifier, images: ndarray) -> None:
    before, weights = classifier.log_probs(images), classifier.backend.weights()
    original = images.copy()
    first = explanations.attributions(classifier, images, np.zeros(len(images), np.int64), method)
    assert np.array_equal(images, original)
    assert np.array_equal(classifier.log_probs(images), before)
    for name, array in classifier.backend.weights().items():
        assert np.array_equal(array, weights[name])
    again = explanations.attributions(classifier, images, np.zeros(len(images), np.int64), method)
    assert np.array_equal(first, again)


def test_log_odds_near_certainty_are_finite() -> None:
    log_probs = np.log(np.array([[1 - 1e-12, 1e-12], [0.5, 0.5]]))
    found = explanations.log_odds(log_probs, np.array([0, 1], np.int64))
    assert found == pytest.approx([27.63, 0.0], abs=0.01)


def test_variety_counts_silent_and_finds_similar_maps(sample: Dataset) -> None:
    classifier = untrained("convnet")
    network = explanations.require_network(classifier)
    with torch.no_grad():
        layer = network.get_submodule("cn1")
        assert isinstance(layer, torch.nn.Conv2d)
        assert layer.bias is not None
        layer.weight[2:4] = 0
        layer.bias[2], layer.bias[3] = -1.0, 1.0  # map 2 is silent, map 3 constant
        layer.weight[7], layer.bias[7] = layer.weight[5], layer.bias[5]
    found = explanations.variety(classifier, sample.test.images[:50])
    assert found is not None
    assert (found.images, found.maps, found.silent, found.pair) == (50, 16, 1, (5, 7))
    assert found.correlation == pytest.approx(1)


def test_an_onnx_file_has_no_layers(images: ndarray) -> None:
    classifier = Classifier.load("ready", backend="onnx")
    with pytest.raises(UsageError, match=r"ready is computed by onnx.*layers.*backend=\"torch\""):
        explanations.stages(classifier, images[0])


def test_an_unknown_method_and_a_missing_captum_are_named(
    classifier: Classifier, images: ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = np.zeros(len(images), np.int64)
    with pytest.raises(UsageError, match=r"'occlusio', which is unknown.*Did you mean 'occlusion'"):
        explanations.attributions(classifier, images, classes, "occlusio")
    monkeypatch.setitem(__import__("sys").modules, "captum.attr", None)
    with pytest.raises(MissingExtraError, match=r"captum.*penstroke\[explain\]"):
        explanations.attributions(classifier, images, classes)
