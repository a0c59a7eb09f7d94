"""The torch backend: batches, modes and memory layouts do not change a result."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from penstroke.data import Dataset
from penstroke.inference import Classifier
from penstroke.inference.backends.torch import TorchBackend, forward_batches
from penstroke.models.description import Description
from penstroke.networks import ConvNet


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return ConvNet().build()


def test_batches_do_not_change_the_result_beyond_rounding(network: nn.Module, sample: Dataset) -> None:
    images = torch.from_numpy(sample.test.images[:103])
    whole = forward_batches(network, images, 103)
    assert torch.allclose(whole, forward_batches(network, images, 10), atol=1e-5)
    assert (whole.shape, whole.dtype, whole.requires_grad) == ((103, 10), torch.float32, False)
    assert torch.allclose(whole.exp().sum(1), torch.ones(103), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_restored_and_dropout_is_off(network: nn.Module, sample: Dataset, training: bool) -> None:
    images = torch.from_numpy(sample.test.images[:5])
    network.train(training)
    assert torch.equal(forward_batches(network, images), forward_batches(network, images))
    assert network.training is training

    class Broken(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("broken")

    broken = Broken().train(training)
    with pytest.raises(RuntimeError, match="broken"):
        forward_batches(broken, images)
    assert broken.training is training


def test_any_memory_layout_is_accepted(network: nn.Module, sample: Dataset, tmp_path: Path) -> None:
    backend = TorchBackend(network)
    images = sample.test.images[:12]
    expected = backend.log_probs(images)
    assert type(expected) is np.ndarray
    assert expected.dtype == np.float32
    assert expected.shape == (12, 10)
    read_only = images.copy()
    read_only.flags.writeable = False
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    # PyTorch warns about read-only arrays, and a warning fails the test.
    for same in (read_only, mapped, images[::-1].copy()[::-1], np.asfortranarray(images)):
        assert np.array_equal(backend.log_probs(same), expected)
    assert np.array_equal(
        backend.log_probs(images, 4), np.concatenate([backend.log_probs(images[i : i + 4]) for i in (0, 4, 8)])
    )


def test_a_classifier_is_made_from_a_module(network: nn.Module, sample: Dataset) -> None:
    description = Description(
        network=ConvNet(), image_shape=(1, 28, 28), classes=tuple("0123456789"), mean=(0.1307,), std=(0.3081,)
    )
    classifier = Classifier.from_module(network, description, "cpu", "new")
    images = sample.test.images[:7]
    expected = forward_batches(network, torch.from_numpy(images)).numpy()
    assert np.array_equal(classifier.log_probs(images), expected)
    assert classifier.backend.weights().keys() == network.state_dict().keys()
