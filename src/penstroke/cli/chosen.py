"""What several verbs choose alike: the run, its classifier and its data. Imports torch only when called."""

from pathlib import Path
from typing import TYPE_CHECKING

from penstroke import runs
from penstroke.cli.output import warn

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.inference import Classifier


def open_classifier(place: Path | None, device: str = "auto") -> tuple["Classifier", Path]:
    """Return the classifier of ``place`` (a run, a model file, or None for the latest run) and its path.

    Raises:
        RunError, ModelError, UsageError: as ``Classifier.load`` does.
    """
    from penstroke.inference import Classifier

    chosen = place or runs.latest().path
    return Classifier.load(chosen, device), chosen


def open_data(classifier: "Classifier", wanted: str | None) -> "Dataset":
    """Return the dataset ``wanted``, or else the one that the model was trained on, saying its notes aloud.

    Raises:
        DataError, UsageError: it cannot be had.
    """
    from penstroke.cli.progress import Downloads
    from penstroke.data import load

    trained_on = classifier.description.trained.get("data", {}).get("source")
    data = load(wanted or trained_on or "auto", progress=Downloads())
    for note in data.notes:
        warn(note)
    if data.card.name == "mnist5k" and trained_on != "mnist5k":
        warn("the sample's images come from MNIST's training set: this model may have been trained on them")
    return data


def split_run(paths: tuple[Path, ...]) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the run or model file that stands before pictures, if one does, and the pictures."""
    if paths and (paths[0].suffix == ".safetensors" or runs.is_run(paths[0])):
        return paths[0], paths[1:]
    return None, paths
