"""Functions that several commands share: choose a run, open its classifier and its data, find pictures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from penstroke.cli.output import warn
from penstroke.errors import DataError, UsageError

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.inference import Classifier

RunFolder = Annotated[
    Path | None,
    Parameter(
        name="--out",
        metavar="PATH",
        help="Folder for the run; a free name is chosen if it exists.",
        show_default="runs/NAME",
    ),
]


def choose_run(run: Path | None) -> Path:
    """Return ``run``, or the folder of the latest run, or the name of the bundled model if no run has a model.

    The choice, newer runs that have no model, and models of unfinished training runs are reported.
    """
    if run is not None and not run.is_dir():
        return run  # not a run, so that there is nothing to report, and nothing to import
    from penstroke import runs
    from penstroke.inference.source import default_source, is_bundled

    chosen = run or default_source()
    if run is None:
        bundled = is_bundled(chosen)
        for newer, reason in runs.skipped():
            warn(f"the {'' if bundled else 'newer '}run {newer.path} is skipped: {reason}")
        warn(
            f"model {chosen}, {'bundled with Penstroke: no run in ./runs has a model' if bundled else 'the latest run'}"
        )
    if runs.is_run(chosen) and runs.Run(chosen).record.state == "unfinished":
        warn(f"{chosen} is unfinished: its training was stopped early")
    return chosen


def open_classifier(run: Path | None, device: str = "auto", threads: int | None = None) -> tuple["Classifier", Path]:
    """Return the classifier of a run, model file or ``ready``, by default see ``choose_run``, and the path chosen.

    Raises:
        RunError, ModelError, UsageError: see ``Classifier.load``.
    """
    from penstroke.inference import Classifier

    chosen = choose_run(run)
    return Classifier.load(chosen, device, threads=threads), chosen


def configure_backend(classifier: "Classifier", threads: int | None = None) -> None:
    """Configure PyTorch for many images, if it computes the model."""
    from penstroke.inference import backends

    backends.configure_backend(classifier.backend_name, threads)


def open_data(classifier: "Classifier", source: str | None) -> "Dataset":
    """Return the dataset ``source``, by default the one that the model was trained on, and report its notes.

    Raises:
        DataError, UsageError: the dataset is missing or invalid.
    """
    from penstroke.cli.progress import Downloads
    from penstroke.data import CARDS, load, split_source

    record = classifier.description.trained.get("data", {})
    trained_on = record.get("source")
    # Corrections are training images, which may have been moved since.
    chosen = source or str(split_source(trained_on or "auto")[0])
    base = split_source(chosen)[0]
    _, height, width = classifier.description.image_shape
    try:
        data = load(
            chosen,
            progress=Downloads(),
            size=None if base == "auto" or base in CARDS else (width, height),
            skip_broken=source in (None, trained_on) and (record.get("options") or {}).get("skip_broken") is True,
        )
    except DataError as error:
        if source is None and trained_on not in (None, "mnist"):
            message = f"The data of the training is missing or invalid. {error.message}"
            raise DataError(message, "Name it where it is now with --data.") from error
        raise
    for note in data.notes:
        warn(note)
    if data.card.name == "mnist5k" and trained_on != "mnist5k":
        warn("the images of mnist5k come from MNIST's training set: this model may have been trained on them")
    return data


def check_test_images(classifier: "Classifier", data: "Dataset") -> None:
    """Check that the test split of the data that a model was trained on has no images that it was trained on.

    Raises:
        DataError: pictures were added or removed since the training, and a part of them is the test split.
    """
    from penstroke.data import absolute_source, fingerprint

    record = classifier.description.trained.get("data") or {}
    known = record.get("fingerprint")
    trained_on = known is not None and record.get("source") == absolute_source(data)
    if data.divided and trained_on and known != fingerprint(data.train):
        raise DataError(
            f"The pictures in {data.requested} have changed since the model was trained, so that another part of them "
            "is the test split now: it may contain pictures that the model was trained on.",
            "Train again, or test on other pictures (--data). A folder test, or a column split in a table, keeps the "
            "parts as they are.",
        )


def warn_if_renamed(requested: Path | None, created: Path) -> None:
    """Report that a run has another name than the requested one because that folder exists."""
    if requested and created != requested:
        warn(f"{requested} exists and is not changed; this run is {created}")


def warn_if_too_many_threads(threads: int | None, what: str) -> None:
    """Report that ``what`` is slower because the process has more threads than the machine has cores."""
    cores = os.cpu_count()
    if threads and cores and threads > cores:
        warn(f"{threads} threads on {cores} {'core' if cores == 1 else 'cores'} slow the {what} down")


def pictures_folder(run: Path, out: Path | None = None) -> Path:
    """Return the folder for PNGs: ``out`` (created if missing), else the run's, or the current one for a model file."""
    from penstroke import runs, storage

    if out:
        return storage.make_folder(out)
    return runs.Run(run).pictures if runs.is_run(run) else Path()


def check_output_file(option: str, path: Path) -> None:
    """Check, before the work starts, that the file ``path`` of an option can be written.

    Raises:
        UsageError: ``path`` is a folder.
        StorageError: its folder is not writable.
    """
    from penstroke import storage

    if path.is_dir():
        raise UsageError(f"{option} is {path}, which is a folder.", "Name the file that is written.")
    storage.check_writable(path.parent)


def stages_name(picture: Path) -> str:
    """Return the name of the PNG that shows the preparation of a picture."""
    return f"{picture.stem}-stages.png"


def split_run(first: Path | None, others: tuple[Path, ...], command: str) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the run or model file, if the first path is one, and the pictures.

    A first path that does not exist and has no file extension is a misspelt run, not a picture, unless it is a pattern.

    Raises:
        UsageError: no picture is given.
    """
    paths = (first, *others) if first else others
    run, pictures = (paths[0], paths[1:]) if paths and is_run_argument(paths[0]) else (None, paths)
    if not pictures:
        word = f": {run} is read as the run" if run else ""
        raise UsageError(f"PICTURE is missing{word}.", f"Name at least one: penstroke {command} [RUN] PICTURE...")
    return run, pictures


def is_run_argument(path: Path) -> bool:
    """Return whether a command-line argument is a run, a model file, ``ready`` or several of them, not a picture."""
    from penstroke import runs
    from penstroke.cli.picture_paths import is_pattern

    # `ready` is a word without an extension, too. Other exported files are reported as such, not as broken pictures.
    exists = os.path.exists(path)  # noqa: PTH110 - False, not an error, for a name that is too long
    word = not exists and not path.suffix and ":" not in str(path) and not is_pattern(path)
    members = [] if exists else str(path).split("+")
    committee = len(members) > 1 and all(is_run_argument(Path(member)) for member in members)
    return path.suffix in (*runs.MODEL_SUFFIXES, ".npz", ".pt2") or runs.is_run(path) or word or committee
