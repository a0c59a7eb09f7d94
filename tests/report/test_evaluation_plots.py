"""Plots of an evaluation show its numbers; they are drawn for any classes, and without a warning."""

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.evaluation import CorruptionErrors, FamilyErrors, Report, evaluate
from penstroke.report.evaluation_plots import calibration_figure, confusion_figure, corruptions_figure
from penstroke.report.evaluation_views import draw_evaluation
from penstroke.runs import Run

NAMES = tuple("零一二三四五六七八九")


def made(classes: tuple[str, ...], threshold: float = 0.0, n: int = 300) -> Report:
    """Return a report in which the last class has no images."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, max(len(classes) - 1, 1), n)
    logits = rng.normal(size=(n, len(classes))).astype(np.float32)
    logits[np.arange(n), labels] += 3
    return Report(logits - np.logaddexp.reduce(logits, 1)[:, None], labels, classes, threshold)


def pixels(figure: Figure) -> np.ndarray:
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return np.asarray(Image.open(content).convert("RGB"))


def texts(figure: Figure, axis: int) -> list[str]:
    return [text.get_text() for text in figure.axes[axis].texts]


def test_the_confusion_matrix_shows_counts_and_shares() -> None:
    report = made(tuple("abc"))
    figure = confusion_figure(report, "title")
    assert texts(figure, 0) == [str(count) for count in report.confusion.ravel().tolist() if count]
    shares = texts(figure, 1)
    assert shares[0] == f"{100 * report.confusion[0, 0] / report.confusion[0].sum():.1f}"
    assert shares[-3:] == ["–"] * 3
    assert pixels(figure).std() > 10


@pytest.mark.parametrize("classes", [("a",), NAMES, ("T-shirt/top", "$x$"), tuple(map(str, range(62)))])
def test_figures_are_drawn_for_any_classes(classes: tuple[str, ...]) -> None:
    report = made(classes, 0.5)
    assert pixels(confusion_figure(report, "数")).std() > 5
    assert pixels(calibration_figure(report, "$_^")).std() > 5


def test_the_calibration_figure_shows_bins_and_the_threshold() -> None:
    report = made(tuple("abc"), 0.6)
    figure = calibration_figure(report, "title")
    assert texts(figure, 0) == [f"{found.count:,}" for found in report.reliability if found.count]
    (note,) = texts(figure, 1)
    answered = 1 - report.abstained / 300
    assert note.startswith(f"the model answers {100 * answered:.1f} %")
    assert f"accuracy {100 * (1 - report.wrong_answers / (300 - report.abstained)):.2f} %" in note
    assert not texts(calibration_figure(made(tuple("abc")), "title"), 1)


@pytest.mark.parametrize("count", [1, 5, 16])
def test_the_corruption_curves_have_a_panel_for_each_family(count: int) -> None:
    errors = (0.1, 0.2, 0.3, 0.4, 0.5)
    families = [FamilyErrors(f"family_{i}", errors, errors, errors if i % 2 else None) for i in range(count)]
    figure = corruptions_figure(CorruptionErrors(0.05, tuple(families)), "title")
    panels = [axis for axis in figure.axes if axis.get_title()]
    assert [axis.get_title() for axis in panels] == [f"family {i}" for i in range(count)]
    assert [len(axis.lines) for axis in panels] == [1 + i % 2 for i in range(count)]
    assert panels[0].lines[0].get_ydata() == pytest.approx([5, 10, 20, 30, 40, 50])
    assert pixels(figure).std() > 5


def test_plots_are_written(sample_run: Run, small: Dataset, tmp_path: Path) -> None:
    classifier, split = Classifier.load(sample_run.path), small.test.subset(np.arange(100))
    report = evaluate(classifier, split)
    errors = CorruptionErrors(0.0, (FamilyErrors("fog", (0.1,) * 5, (0.0,) * 5),))
    files = draw_evaluation(report, classifier, split, tmp_path, "my/data", errors)
    assert {kind: path.name for kind, path in files.items()} == {
        kind: f"{kind}-my_data.png" for kind in ("confusion", "calibration", "corruptions", "mistakes")
    }
    for path in files.values():
        with Image.open(path) as drawn:
            assert np.asarray(drawn.convert("RGB")).std() > 5
    certain = Report(np.log(np.eye(10, dtype=np.float32)[split.labels] + 1e-9), split.labels, split.classes)
    assert draw_evaluation(certain, classifier, split, tmp_path, "x").keys() == {"confusion", "calibration"}
