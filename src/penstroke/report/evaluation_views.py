"""The plots of an evaluation, written to files."""

import re
from pathlib import Path

from penstroke.data import Split
from penstroke.evaluation import CorruptionErrors, Report
from penstroke.inference import Classifier
from penstroke.report.evaluation_plots import calibration_figure, confusion_figure, corruptions_figure
from penstroke.report.plots import save_figure
from penstroke.report.views import draw_samples


def draw_evaluation(
    report: Report,
    classifier: Classifier,
    split: Split,
    folder: Path,
    name: str,
    corruptions: CorruptionErrors | None = None,
    mistakes: int = 24,
) -> dict[str, Path]:
    """Draw the plots of an evaluation as PNG files.

    Args:
        report: the evaluation.
        classifier: the model.
        split: the images of the evaluation.
        folder: folder of the files.
        name: name of the data; it is part of the names of the files.
        corruptions: errors on corrupted images, if they were measured.
        mistakes: maximum number of mistakes that are drawn, the most confident ones.

    Returns:
        The files ``confusion``, ``calibration``, ``mistakes`` (if there are any) and ``corruptions`` (if measured).

    Raises:
        StorageError: a file cannot be written.
    """
    figures = {
        "confusion": confusion_figure(report, f"{name}: confusion matrix"),
        "calibration": calibration_figure(report, f"{name}: calibration"),
    }
    if corruptions:
        figures["corruptions"] = corruptions_figure(corruptions, f"{name}: errors on corrupted images")
    plain = re.sub(r"[^\w.+-]", "_", name)[:50]
    files = {kind: save_figure(figure, folder / f"{kind}-{plain}.png") for kind, figure in figures.items()}
    worst = report.worst(mistakes).tolist()
    if worst:
        files["mistakes"] = draw_samples(classifier, split, worst, folder, f"mistakes-{plain}")[0]
    return files
