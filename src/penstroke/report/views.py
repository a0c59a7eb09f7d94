"""Drawings of curves, test images and the preparation of pictures, written to files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from penstroke.data import Split
from penstroke.errors import RunError
from penstroke.inference import Classifier
from penstroke.pictures.files import MAX_PIXELS
from penstroke.pictures.preprocessing import preprocess_with_stages
from penstroke.report.plots import Sample, draw_stages, grid_figure, sample_figure, save_figure
from penstroke.runs import Run


def draw_curves(run: Run, path: Path | None = None) -> Path:
    """Draw loss and accuracy of the training of a run.

    Args:
        run: the run.
        path: PNG file that is written; by default ``curves.png`` in the pictures of the run.

    Returns:
        The file.

    Raises:
        RunError: the run has no metrics, or they are damaged.
        StorageError: the file cannot be written.
    """
    from penstroke.report.curves import check_metrics, curves_figure

    steps, epochs = list(run.rows("step")), list(run.rows("epoch"))
    if not steps:
        raise RunError(
            f"{run.path} has no metrics: it was imported, or its training ended before the first step was recorded.",
            "Name a run made by `penstroke train`.",
        )
    try:
        check_metrics(steps, epochs)
    except ValueError as error:
        raise RunError(f"{run.metrics.path} is invalid: {error}.", "The run is damaged; use another one.") from error
    figure = curves_figure(steps, epochs, f"{run.path.name} ({run.record.state})")
    return save_figure(figure, path or run.pictures / "curves.png")


def draw_preparation(
    picture: Path,
    path: Path,
    preprocessing: str = "digit",
    image_shape: tuple[int, int, int] = (1, 28, 28),
    max_pixels: int = MAX_PIXELS,
) -> Path:
    """Draw the stages in which a picture is prepared for a network.

    Args:
        picture: the picture file.
        path: PNG file that is written.
        preprocessing: the preprocessing of the model.
        image_shape: channels, height and width of the model's images.
        max_pixels: a picture with more pixels is rejected before it is decoded.

    Returns:
        ``path``.

    Raises:
        DataError: the file is not readable, or contains no symbol.
    """
    return draw_stages(preprocess_with_stages(picture, preprocessing, image_shape, max_pixels), picture.name, path)


def predict_samples(classifier: Classifier, split: Split, indices: Sequence[int]) -> list[Sample]:
    """Return the images at ``indices`` of ``split`` with their predictions."""
    chosen = split.subset(np.asarray(indices, np.int64))
    predictions = classifier.predict(chosen.images)
    assert isinstance(predictions, list)
    rows = zip(indices, chosen.images, predictions, chosen.labels.tolist(), strict=True)
    return [Sample(index, image, prediction, split.classes[truth]) for index, image, prediction, truth in rows]


def draw_samples(
    classifier: Classifier, split: Split, indices: Sequence[int], folder: Path, name: str | None = None
) -> tuple[Path, list[Sample]]:
    """Draw images of a split with predictions and true classes: one large image, or many in a grid.

    Args:
        classifier: makes the predictions.
        split: the images and their true classes.
        indices: which images to draw.
        folder: folder of the PNG file.
        name: its name without the ending; by default ``sample`` or ``samples``.

    Returns:
        The file, and the images with their predictions.
    """
    samples = predict_samples(classifier, split, indices)
    figure = sample_figure(samples[0]) if len(samples) == 1 else grid_figure(samples)
    default = "sample" if len(samples) == 1 else "samples"
    return save_figure(figure, folder / f"{name or default}.png"), samples
