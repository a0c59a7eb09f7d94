"""Loss functions."""

import pytest
import torch
from torch.nn import functional as F

from penstroke.synthesis import NO_CLASS
from penstroke.training.losses import build_loss, smoothed_nll


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
