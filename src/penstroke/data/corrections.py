"""Corrections: pictures with their right labels, which are trained on in addition to the images of a dataset.

``penstroke serve --collect FOLDER`` stores them, and ``--data mnist+FOLDER`` trains on them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from penstroke.data.arrays import few
from penstroke.data.listing import SUFFIXES, Pictures, files_in, shown_path, subfolders
from penstroke.data.prepared import prepare_files
from penstroke.data.split import Split
from penstroke.errors import DataError, EmptyPicture
from penstroke.storage.names import folder_name
from penstroke.storage.untrusted import reason

SHARE = 0.05
"""Fraction of the images that are trained on, to which corrections are repeated: 50 among 60,000 have little effect.
``docs/serving.md`` describes how it was found."""
MAX_REPEATS = 200
"""Maximum number of repetitions of each correction in an epoch."""


@dataclass(frozen=True, eq=False)
class Corrections:
    """Images that are trained on in addition to those of a dataset.

    Args:
        split: the images, with the classes of the dataset.
        folder: absolute path of the folder that they come from.
        given: the folder as the user named it.
        broken: pictures that cannot be read, with the reason.
        notes: notes that are reported to the user.
        share: fraction of the training images to which they are repeated; 0 for no repetition.
    """

    split: Split
    folder: str
    given: str
    broken: dict[Path, str]
    notes: tuple[str, ...] = ()
    share: float = SHARE

    @property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of the images and labels."""
        images, labels = self.split.images, self.split.labels
        return hashlib.sha256(repr(images.shape).encode() + images.tobytes() + labels.tobytes()).hexdigest()

    def repeats(self, images: int) -> int:
        """Return how often each correction is repeated among a number of training images."""
        return min(MAX_REPEATS, max(1, round(self.share / (1 - self.share) * images / len(self.split))))

    def joined(self, train: Split) -> Split:
        """Return training images, in memory, with the repeated corrections at their end."""
        added, count = self.split, self.repeats(len(train))
        images = np.concatenate([train.images, *[added.images] * count])
        labels = np.concatenate([train.labels, *[added.labels] * count])
        files = None if train.files is None else train.files + (added.files or ()) * count
        return replace(train, images=images, labels=labels, mapped=False, files=files)


def read_corrections(
    given: str,
    classes: Sequence[str],
    preprocessing: str,
    image_shape: tuple[int, int, int],
    *,
    skip_broken: bool = False,
) -> Corrections:
    """Return the pictures in the folders of a folder, one for each class, prepared as those that are predicted.

    Pictures in which the preparation finds nothing are left out with a note. Classes without pictures are allowed.

    Args:
        given: the folder.
        classes: class names of the dataset.
        preprocessing: see ``penstroke.pictures.preprocess``.
        image_shape: channels, height and width of the images.
        skip_broken: also leave out pictures that cannot be read.

    Raises:
        DataError: the folder is missing, has another class or no pictures, or a picture cannot be read.
    """
    folder = Path(given).expanduser()
    pictures = _list(given, folder, classes)
    paths = [path for path, _ in pictures]
    results = prepare_files(paths, preprocessing, image_shape)
    errors = {path: result for path, result in zip(paths, results, strict=True) if isinstance(result, DataError)}
    empty = [path for path, error in errors.items() if isinstance(error, EmptyPicture)]
    unread = {path: error for path, error in errors.items() if not isinstance(error, EmptyPicture)}
    broken = {path: error.message.rstrip(".") for path, error in unread.items()}
    if broken and not skip_broken:
        raise DataError(
            f"{len(broken)} of {len(pictures)} corrections in {given} cannot be used: {few(broken.values())}.",
            "Repair or remove them, or leave them out with --skip-broken.",
        )
    images = [result for result in results if isinstance(result, ndarray)]
    if not images:
        raise DataError(
            f"The folder of corrections {given} has no pictures{' with a symbol' if pictures else ''}.",
            f"It must have a folder for a class, such as {folder_name(classes[0])}, with pictures in it "
            f"({', '.join(SUFFIXES)}).",
        )
    labels = np.array([label for path, label in pictures if path not in errors], np.int64)
    files = tuple(str(path) for path in paths if path not in errors)
    split = Split(np.stack(images), labels, tuple(classes), "corrections", files=files)
    notes = tuple(
        f"{len(some)} corrections {why} were left out: {few(shown_path(path, folder) for path in some)}"
        for some, why in ((list(broken), "that cannot be read"), (empty, "without a symbol"))
        if some
    )
    return Corrections(split, str(folder.resolve()), given, broken, notes)


def _list(given: str, folder: Path, classes: Sequence[str]) -> Pictures:
    """Return the pictures in the class folders of a folder, with their labels."""
    if not given or not folder.is_dir():
        raise DataError(
            f"The folder of corrections {given!r} does not exist.",
            "Name it after the +, as in --data mnist+FOLDER; `penstroke serve --collect FOLDER` stores corrections.",
        )
    labels = {folder_name(name): label for label, name in enumerate(classes)}
    try:
        folders = subfolders(folder)
        if unknown := [path.name for path in folders if path.name not in labels]:
            raise DataError(
                f"The folder of corrections {given} has classes that the dataset does not have: {few(unknown)}.",
                f"Name each folder in it after one of the classes {few(labels)}.",
            )
        found = [(path, labels[each.name]) for each in folders for path in files_in(each)]
    except OSError as error:
        message = f"The folder of corrections {error.filename or given} cannot be read: {reason(error)}."
        raise DataError(message, "Check its permissions.") from error
    return [(path, label) for path, label in found if path.suffix.lower() in SUFFIXES]
