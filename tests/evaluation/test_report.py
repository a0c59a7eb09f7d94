"""Metrics against scikit-learn's and SciPy's, and against counts by hand."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from penstroke.cli.evaluation_text import report_text
from penstroke.data import Dataset, Split
from penstroke.evaluation import Report, Score, evaluate, score


@pytest.fixture(scope="module")
def split(small: Dataset) -> Split:
    return small.test


def random_log_probs(split: Split) -> np.ndarray:
    """Return log-probabilities of which about a third are correct."""
    random = np.random.RandomState(3)
    logits = random.normal(size=(len(split), 10)).astype(np.float32)
    logits[np.arange(len(split)), split.labels] += 1
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def test_metrics_equal_those_of_scikit_learn(split: Split) -> None:
    log_probs = random_log_probs(split)
    report = evaluate(lambda images: log_probs, split)
    truth, predicted = split.labels, log_probs.argmax(1)
    assert report.score.total == 500
    assert 50 < report.score.correct == (truth == predicted).sum() < 450
    probabilities = np.exp(log_probs.astype(np.float64))
    probabilities /= probabilities.sum(1, keepdims=True)
    assert report.score.loss == pytest.approx(log_loss(truth, probabilities, labels=range(10)), rel=1e-6)
    assert report.confusion.tolist() == confusion_matrix(truth, predicted, labels=range(10)).tolist()
    rows = report.per_class
    recalls = recall_score(truth, predicted, average=None, labels=range(10), zero_division=0)
    precisions = precision_score(truth, predicted, average=None, labels=range(10), zero_division=0)
    assert [row.recall for row in rows] == pytest.approx(recalls)
    assert [row.precision for row in rows] == pytest.approx(precisions)
    scores = f1_score(truth, predicted, average=None, labels=range(10))
    assert [row.f1 for row in rows] == pytest.approx(scores, abs=1e-9)
    areas = [roc_auc_score(truth == k, log_probs[:, k]) for k in range(10)]
    assert [row.auc for row in rows] == pytest.approx(areas, abs=1e-9)
    shares = confusion_matrix(truth, predicted, labels=range(10), normalize="true")
    assert report.confusion_shares == pytest.approx(shares, abs=1e-9)
    assert report.mistakes.tolist() == [i for i in range(500) if truth[i] != predicted[i]]


def test_the_interval_is_wilsons(split: Split) -> None:
    log_probs = np.full((500, 10), -9.0, np.float32)
    log_probs[np.arange(500), split.labels] = 0.0
    log_probs[:10] = -9.0
    log_probs[np.arange(10), (split.labels[:10] + 1) % 10] = 0.0
    report = evaluate(lambda images: log_probs, split)
    assert (report.score.correct, report.score.total) == (490, 500)
    # Wilson's formula, by hand: centre and half width for 490 of 500 at z = 1.959964.
    z, share = 1.959963985, 0.98
    centre = (share + z * z / 1000) / (1 + z * z / 500)
    half = z / (1 + z * z / 500) * (share * 0.02 / 500 + z * z / (4 * 500**2)) ** 0.5
    assert report.accuracy_ci95 == pytest.approx((centre - half, centre + half), abs=1e-6)
    found = report.to_json()
    assert list(found)[:7] == ["loss", "correct", "total", "accuracy", "abstained", "accuracy_ci95", "per_class"]
    assert sum(row["total"] for row in found["per_class"]) == 500


def test_abstentions_are_counted_and_change_no_other_metric(split: Split) -> None:
    log_probs = random_log_probs(split)
    plain, strict = (evaluate(lambda images: log_probs, split, threshold) for threshold in (0.0, 0.4))
    assert plain.abstained == 0
    assert 0 < strict.abstained == (np.exp(log_probs.astype(np.float64)).max(1) < 0.4).sum() < 500
    answered = np.exp(log_probs.astype(np.float64)).max(1) >= 0.4
    assert strict.wrong_answers == (answered & ~plain.correct).sum() < plain.wrong_answers == len(plain.mistakes)
    changed = {"abstained": strict.abstained, "wrong_answers": strict.wrong_answers}
    assert plain.to_json() | changed == strict.to_json()
    assert repr(strict) == (
        f"Report({plain.score.correct}/500 correct, accuracy={plain.score.accuracy:.4f}, "
        f"loss={plain.score.loss:.4f}, abstained={strict.abstained})"
    )


def test_the_loss_is_the_exact_sum() -> None:
    labels = np.zeros(10_000, np.int64)
    log_probs = np.full((10_000, 2), -1e-8, np.float32)
    log_probs[0] = -1e8
    expected = (1e8 + 9_999 * float(np.float32(1e-8))) / 10_000
    assert score(log_probs, labels).loss == score(log_probs[::-1], labels).loss == expected


def test_what_is_not_defined_is_none() -> None:
    log_probs = np.log(np.array([[0.6, 0.3, 0.1], [0.3, 0.6, 0.1]], np.float32))
    report = Report(log_probs, np.array([0, 0]), ("a", "b", "c"))
    assert [(row.recall, row.precision, row.f1, row.auc) for row in report.per_class] == [
        (0.5, 1.0, pytest.approx(2 / 3), None),
        (None, 0.0, None, None),
        (None, None, None, None),
    ]
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["confusion_shares"] == [[0.5, 0.5, 0.0], [None] * 3, [None] * 3]
    assert found["reliability"][0] == {
        "low": 0.0,
        "high": pytest.approx(1 / 15),
        "count": 0,
        "confidence": None,
        "accuracy": None,
    }


def test_the_worst_mistakes_are_the_most_confident_ones(split: Split) -> None:
    report = evaluate(lambda images: random_log_probs(split), split)
    worst = report.worst(20)
    confidence = report.log_probs.max(1)
    assert len(worst) == 20
    assert set(worst) <= set(report.mistakes)
    assert (np.diff(confidence[worst]) <= 0).all()
    assert (
        confidence[worst[-1]] >= np.delete(confidence[report.mistakes], np.searchsorted(report.mistakes, worst)).max()
    )
    assert sorted(report.worst(10_000)) == report.mistakes.tolist()


def test_rows_hold_every_image(split: Split) -> None:
    report = evaluate(lambda images: random_log_probs(split), split, threshold=0.4)
    rows = list(report.rows())
    assert [row["index"] for row in rows] == list(range(500))
    assert [row["label"] for row in rows] == [split.classes[label] for label in split.labels]
    assert sum(row["correct"] for row in rows) == report.score.correct
    assert sum(row["abstained"] for row in rows) == report.abstained
    for row in rows[:20]:
        probabilities = {name: row[f"p_{name}"] for name in split.classes}
        assert max(probabilities, key=lambda name: probabilities[name]) == row["prediction"]
        assert row["probability"] == probabilities[row["prediction"]]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)


def test_files_of_the_images_are_named(split: Split) -> None:
    files = tuple(f"{number}.png" for number in range(500))
    report = evaluate(lambda images: random_log_probs(split), dataclasses.replace(split, files=files))
    assert [row["file"] for row in report.rows()] == list(files)
    rest = report.without(np.array([0, 2]))
    assert [row["file"] for row in rest.rows()] == [files[1], *files[3:]]
    assert files[report.worst(1)[0]] in report_text("model", report)


def test_images_are_left_out(split: Split) -> None:
    report = evaluate(lambda images: random_log_probs(split), split, threshold=0.4)
    rest = report.without(np.array([3, 499]))
    assert rest.score.total == 498
    assert rest.score.correct == report.score.correct - report.correct[[3, 499]].sum()
    assert (rest.threshold, rest.classes) == (report.threshold, report.classes)


def test_a_score_is_restored_from_json() -> None:
    found = Score(loss=0.25, correct=3, total=4)
    assert Score.from_json(found.to_json()) == found
    assert found.accuracy == 0.75
    with pytest.raises(KeyError):
        Score.from_json({"loss": 1.0})
