"""What several verbs choose alike: the run, its classifier and its data. Imports torch only when called."""

from pathlib import Path
from typing import TYPE_CHECKING

from penstroke import runs, storage
from penstroke.cli.output import warn
from penstroke.errors import UsageError

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
    warn_of_unfinished(chosen)
    return Classifier.load(chosen, device), chosen


def warn_of_unfinished(place: Path) -> None:
    """Say aloud that the model of a run comes from a training that was stopped before its end."""
    if runs.is_run(place) and runs.Run(place).read().get("state") == "unfinished":
        warn(f"{place} is unfinished: its training was stopped before its end")


def say_renamed(wanted: Path | None, made: Path) -> None:
    """Say aloud that a run got another name than the one wanted, which was taken."""
    if wanted and made != wanted:
        warn(f"{wanted} exists and is left as it is; this run is {made}")


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


def pictures_folder(place: Path, wanted: Path | None = None) -> Path:
    """Return where pictures go: the folder ``wanted``, made if it is missing, or the run's own, or the present one."""
    if wanted:
        return storage.make_folder(wanted)
    return runs.Run(place).pictures if runs.is_run(place) else Path()


def stages_name(picture: Path) -> str:
    """Return what the drawing of a picture's preparation is called."""
    return f"{picture.stem}-stages.png"


def pixel_limit(megapixels: int) -> int:
    """Return the most pixels that a picture may have.

    Raises:
        UsageError: the number is none that can be decoded.
    """
    if not 1 <= megapixels <= 178:  # Pillow decodes no more
        raise UsageError(f"--megapixels is {megapixels}, and must be from 1 to 178.")
    return 1_000_000 * megapixels


def split_run(paths: tuple[Path, ...], verb: str) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the run or model file that stands before pictures, if one does, and the pictures.

    A first path that is not there and does not end like a file's name is a misspelt run, not a picture.

    Raises:
        UsageError: there is no picture.
    """
    place, pictures = None, paths
    if paths:
        first = paths[0]
        misspelt = not first.exists() and not first.suffix and ":" not in str(first)
        if first.suffix == ".safetensors" or runs.is_run(first) or misspelt:
            place, pictures = first, paths[1:]
    if not pictures:
        raise UsageError("No picture was named.", f"Name at least one: penstroke {verb} PICTURE...")
    return place, pictures
