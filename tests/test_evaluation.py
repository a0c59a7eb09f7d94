"""Figures of an evaluation against scikit-learn's and SciPy's, and against counts by hand."""

import pytest
import torch
from sklearn.metrics import confusion_matrix, log_loss, precision_score, recall_score
from trained import dataset, head

from penstroke import ConvNet, evaluate
from penstroke.data import Split
from penstroke.models.forward import log_probabilities


@pytest.fixture(scope="module")
def split() -> Split:
    return head(dataset().test, 500)


def test_figures_equal_those_of_scikit_learn(split: Split) -> None:
    torch.manual_seed(3)
    model = ConvNet()
    report = evaluate(lambda images: log_probabilities(model, images), split)
    truth, said = split.labels.numpy(), report.answers.argmax(1).numpy()
    assert report.score.total == 500
    assert report.score.correct == (truth == said).sum()
    assert report.score.loss == pytest.approx(
        log_loss(truth, report.answers.double().softmax(1).numpy(), labels=range(10))
    )
    assert report.confusion.tolist() == confusion_matrix(truth, said, labels=range(10)).tolist()
    rows = report.per_class
    recalls = recall_score(truth, said, average=None, labels=range(10), zero_division=0)
    precisions = precision_score(truth, said, average=None, labels=range(10), zero_division=0)
    assert [row.recall for row in rows] == pytest.approx(recalls)
    assert [row.precision for row in rows] == pytest.approx(precisions)
    assert report.mistakes.tolist() == [i for i in range(500) if truth[i] != said[i]]


def test_the_interval_is_wilsons(split: Split) -> None:
    answers = torch.full((500, 10), -9.0)
    answers[torch.arange(500), split.labels] = 0.0
    answers[:10] = -9.0
    answers[torch.arange(10), (split.labels[:10] + 1) % 10] = 0.0
    report = evaluate(lambda images: answers, split)
    assert (report.score.correct, report.score.total) == (490, 500)
    # Wilson's formula, by hand: centre and half width for 490 of 500 at z = 1.959964.
    z, share = 1.959963985, 0.98
    centre = (share + z * z / 1000) / (1 + z * z / 500)
    half = z / (1 + z * z / 500) * (share * 0.02 / 500 + z * z / (4 * 500**2)) ** 0.5
    assert report.accuracy_ci95 == pytest.approx((centre - half, centre + half), abs=1e-6)
    found = report.to_json()
    assert {"loss", "correct", "total", "accuracy", "accuracy_ci95", "per_class"} <= found.keys()
    assert sum(row["total"] for row in found["per_class"]) == 500
