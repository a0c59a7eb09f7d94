"""Loss functions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from penstroke.data import Split
from penstroke.synthesis import NO_CLASS
from penstroke.training.losses import build_loss, class_weights, smoothed_nll

SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothing_equals_that_of_cross_entropy(smoothing: float) -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(32, 10), torch.randint(10, (32,))
    expected = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    found = build_loss(smoothing, outliers=0.1)(F.log_softmax(logits, 1), labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_target_of_an_outlier_is_uniform() -> None:
    even, sure = torch.full((1, 4), 0.25).log(), torch.tensor([[0.97, 0.01, 0.01, 0.01]]).log()
    outlier = torch.tensor([NO_CLASS])
    assert smoothed_nll(even, outlier, 0.0) < smoothed_nll(sure, outlier, 0.0)
    assert smoothed_nll(sure, torch.tensor([0]), 0.0) == pytest.approx(-sure[0, 0].item())


def test_the_plain_loss_is_pytorchs() -> None:
    assert build_loss(0.0, outliers=0.0) is F.nll_loss


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, smoothing=st.sampled_from([0.0, 0.1]), images=st.integers(1, 40))
def test_weights_equal_those_of_cross_entropy(seed: int, smoothing: float, images: int) -> None:
    """With label smoothing, PyTorch weights the smoothed part by class, so that only equal weights are comparable."""
    torch.manual_seed(seed)
    logits, labels = torch.randn(images, 5), torch.randint(5, (images,))
    weights = torch.full((5,), 0.7) if smoothing else torch.rand(5) + 0.1
    expected = F.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    found = build_loss(smoothing, outliers=0.0, weights=weights)(F.log_softmax(logits, 1), labels)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS, smoothing=st.sampled_from([0.0, 0.1]))
def test_an_image_with_weight_three_counts_as_three_images(seed: int, smoothing: float) -> None:
    torch.manual_seed(seed)
    log_probs, labels = F.log_softmax(torch.randn(20, 4), 1), torch.randint(NO_CLASS, 4, (20,))
    weights = torch.tensor([1.0, 3.0, 2.0, 1.0])
    repeats = torch.where(labels == NO_CLASS, 1, weights[labels.clamp(min=0)]).long()
    expected = smoothed_nll(log_probs.repeat_interleave(repeats, 0), labels.repeat_interleave(repeats), smoothing)
    assert smoothed_nll(log_probs, labels, smoothing, weights).item() == pytest.approx(expected.item(), rel=1e-5)


def split(*counts: int) -> Split:
    """Return a split with ``counts`` images of the classes."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return Split(np.zeros((len(labels), 1, 2, 2), np.uint8), labels, tuple(map(str, range(len(counts)))), "train")


def test_balanced_weights_have_the_mean_one_over_the_images() -> None:
    train = split(90, 9, 1)
    weights = class_weights("balanced", train)
    assert weights is not None
    assert weights.tolist() == pytest.approx([100 / 270, 100 / 27, 100 / 3])
    assert weights[torch.from_numpy(train.labels)].mean().item() == pytest.approx(1)
    assert class_weights("none", train) is None


def test_a_class_without_training_images_has_no_weight() -> None:
    weights = class_weights("balanced", split(6, 0, 2))
    assert weights is not None
    assert weights.tolist() == pytest.approx([8 / 12, 0, 2])
