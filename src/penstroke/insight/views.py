"""Pictures of a run and of what its model answers, drawn and written."""

from collections.abc import Sequence
from pathlib import Path

import torch

from penstroke.data import Split
from penstroke.inference import Classifier
from penstroke.insight.plots import Sample, curves_figure, grid_figure, sample_figure, save_figure
from penstroke.runs import Run


def draw_curves(run: Run) -> Path | None:
    """Draw loss and accuracy of a run into its pictures, and return the file; None when nothing was trained."""
    steps = list(run.rows("step"))
    if not steps:
        return None
    state = run.read()["state"]
    figure = curves_figure(steps, list(run.rows("epoch")), f"{run.path.name} ({state})")
    return save_figure(figure, run.pictures / "curves.png")


def draw_preparation(picture: Path, drawn: Path, rule: str = "digit", size: int = 28) -> Path:
    """Draw how a picture file is prepared for a network, stage by stage, into the file ``drawn``, and return that.

    Raises:
        DataError: it is no picture that can be read, or nothing is written in it.
    """
    from penstroke.insight.pages import draw_stages  # with SciPy, which drawing a test image can do without
    from penstroke.pictures import open_picture, prepare_with_stages

    stages = prepare_with_stages(open_picture(picture), rule, size)
    return draw_stages(stages, picture.name, drawn)


def answered(classifier: Classifier, split: Split, indices: Sequence[int]) -> list[Sample]:
    """Return the images at ``indices`` of ``split`` with the classifier's answers."""
    chosen = split.subset(torch.tensor(indices))
    prediction = classifier.predict(chosen.images)
    rows = zip(indices, chosen.images, prediction.probabilities, chosen.labels.tolist(), strict=True)
    return [
        Sample(index, image.numpy(), probabilities.numpy(), prediction.classes, split.classes[truth])
        for index, image, probabilities, truth in rows
    ]


def draw_samples(
    classifier: Classifier, split: Split, indices: Sequence[int], folder: Path, name: str | None = None
) -> tuple[Path, list[Sample]]:
    """Draw images with predictions and truths, one large or many in a grid, and return the file and the answers."""
    samples = answered(classifier, split, indices)
    figure = sample_figure(samples[0]) if len(samples) == 1 else grid_figure(samples)
    default = "sample" if len(samples) == 1 else "samples"
    return save_figure(figure, folder / f"{name or default}.png"), samples
