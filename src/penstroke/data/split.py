"""``Split`` and ``Dataset``, which every source of data returns.

Images and labels are NumPy arrays. This module does not depend on files, networks or models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from jaxtyping import Float, Int64, UInt8

from penstroke.data.arrays import image_array, label_array, require_classes
from penstroke.data.catalog import DatasetCard, local_card
from penstroke.data.mapped import as_array, mapped
from penstroke.data.outliers import Outliers
from penstroke.errors import DataError, UsageError
from penstroke.schema import shown

if TYPE_CHECKING:
    from penstroke.data.corrections import Corrections

Images = UInt8[np.ndarray, "n *shape"] | Float[np.ndarray, "n *shape"]
Labels = Sequence[Any] | np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """One part of a dataset.

    Args:
        images: pixel values 0..255, uint8.
        labels: positions in ``classes``, int64.
        classes: class names.
        name: ``train``, ``test``, ``validation``...
        mapped: whether ``images`` is in mapped files, which may be larger than memory. Then it is an array over a file,
            or a ``MappedImages``, which has the shape and the indices of an array.
        files: the file of each image, if each comes from its own file.

    Raises:
        DataError: a dtype, a shape or a label is invalid, or the four do not match each other.
    """

    images: UInt8[np.ndarray, "n c h w"]
    labels: Int64[np.ndarray, "n"]
    classes: tuple[str, ...]
    name: str
    mapped: bool = False
    files: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4:
            self._reject("images", f"{images.dtype} of shape {images.shape}", "uint8 [N, C, H, W]")
        if labels.dtype != np.int64 or labels.ndim != 1:
            self._reject("labels", f"{labels.dtype} of shape {labels.shape}", "int64 [N]")
        if len(images) != len(labels):
            self._reject("labels", f"{len(labels)} for {len(images)} images", "one for each image")
        if images.size == 0:
            self._reject("images", f"empty, of shape {images.shape}", "at least one, with at least one pixel")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            self._reject("classes", repr(self.classes), "at least one, and different from each other")
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.classes):
            rule = f"between 0 and {len(self.classes) - 1}, for {len(self.classes)} classes"
            self._reject("labels", f"between {low} and {high}", rule)

    def _reject(self, what: str, value: str, rule: str) -> NoReturn:
        raise DataError(
            f"The {what} of split {self.name!r} are {value}; they must be {rule}.",
            "Check that the images and the labels come from the same dataset.",
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        mapped = ", mapped" if self.mapped else ""
        return f"Split({self.name!r}, {_summary(self)}, {len(self.classes)} classes{mapped})"

    def subset(self, indices: Int64[np.ndarray, "m"]) -> "Split":
        """Return the images and labels at ``indices``, in that order, as a split of the same name, in memory."""
        files = None if self.files is None else tuple(self.files[index] for index in indices)
        return replace(self, images=self.images[indices], labels=self.labels[indices], mapped=False, files=files)

    def part(self, indices: Int64[np.ndarray, "m"]) -> "Split":
        """Return the images and labels at ``indices``, in that order; mapped images stay in their files."""
        if not self.mapped:
            return self.subset(indices)
        files = None if self.files is None else tuple(self.files[index] for index in indices)
        images = as_array(mapped(self.images).chosen(indices))
        return replace(self, images=images, labels=self.labels[indices], files=files)


class Dataset:
    """A card, a train split, and validation and test splits that are read when they are used for the first time.

    Args:
        card: identity of the dataset.
        train: the train split.
        load_test: reads the test split, and is called at most once; None if there is no test split.
        requested: the name or path that the user gave.
        notes: notes on the data that are reported to the user.
        load_validation: reads the validation split, and is called at most once; None if there is none. Then a
            recipe that needs one divides the train split.
    """

    def __init__(
        self,
        card: DatasetCard,
        train: Split,
        load_test: Callable[[], Split] | None,
        *,
        requested: str,
        notes: tuple[str, ...] = (),
        load_validation: Callable[[], Split] | None = None,
    ) -> None:
        self.card = card
        self.train = train
        self.requested = requested
        self.notes = notes
        self.load_validation = load_validation
        self.options: dict[str, Any] = {}
        """Arguments of ``load`` that were given, besides the source; with them, the same images are read again."""
        self.broken: dict[Path, str] = {}
        """Pictures that were left out because they cannot be read, with the reason."""
        self.sizes: dict[tuple[int, int], int] = {}
        """Width and height of the training pictures before they were resized, with the number of pictures of each;
        empty if the images were not read from pictures."""
        self.outliers: Outliers | None = None
        """Pictures that show none of the classes, if there are any."""
        self.corrections: Corrections | None = None
        """Images that are trained on in addition to the train split, if there are any."""
        self.divided = False
        """Whether the test split is a random part of the pictures, so that other pictures give other parts."""
        self._load_test = load_test

    @classmethod
    def from_arrays(
        cls,
        images: Images,
        labels: Labels,
        *,
        validation: tuple[Images, Labels] | None = None,
        test: tuple[Images, Labels] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
        preprocessing: str | None = None,
    ) -> "Dataset":
        """Return a dataset of arrays in memory. Arrays are copied only if their layout has to be changed.

        Args:
            images: of shape [n, h, w], [n, c, h, w] or [n, h, w, c], where c is 1 or 3. A shape that fits both of the
                latter is taken as [n, c, h, w]. Pixels are uint8, or floats from 0 to 1, which are multiplied by 255
                and rounded.
            labels: n integers, each a position in ``classes``, or n strings, each an element of ``classes``.
            validation: images and labels of the validation split, in the same form; without it, a recipe that needs
                one divides the train split.
            test: images and labels of the test split, in the same form; without it, reading ``test`` fails.
            classes: class names. By default ``"0"`` to the largest label of ``labels`` for integers, and the
                different labels in natural order (``"2"`` before ``"10"``) for strings.
            name: name of the dataset.
            preprocessing: how a user's picture is converted to an image: ``digit``, ``letterbox`` or ``crop`` (see
                ``DatasetCard``). By default ``digit`` for grey images of 28x28 pixels, ``letterbox`` for others.

        Raises:
            DataError: images, labels or classes are invalid, or do not match each other.
            UsageError: ``preprocessing`` is unknown, or ``validation`` or ``test`` is not a pair.
        """
        pixels = image_array(images, "train")
        names = None if classes is None else require_classes(classes)
        positions, names = label_array(labels, names, "train")
        train = Split(pixels, positions, require_classes(names), "train")
        _, channels, height, width = pixels.shape
        card = local_card(name, f"the arrays {name}", train.classes, (channels, height, width), preprocessing)
        parts = {
            part: _split_of(given, train.classes, part)
            for part, given in (("validation", validation), ("test", test))
            if given is not None
        }
        return cls(
            card,
            train,
            (lambda: parts["test"]) if test is not None else None,
            requested=name,
            load_validation=(lambda: parts["validation"]) if validation is not None else None,
        )

    @classmethod
    def from_folder(
        cls, path: str | Path, size: int | tuple[int, int] | None = None, skip_broken: bool = False
    ) -> "Dataset":
        """Return the dataset of a folder of pictures, or of another form of your own data; see ``docs/folders.md``.

        Args:
            path: folder, table (CSV or JSON lines) or NumPy archive.
            size: width and height of the images in pixels, or one number for both. By default, it is chosen by the
                training pictures (docs/folders.md).
            skip_broken: leave out pictures that cannot be read, and name them in ``broken`` and ``notes``.

        Raises:
            DataError: the path does not exist, or the data is invalid.
            UsageError: ``size`` is not one or two positive integers.
        """
        from penstroke.data.sources import load  # which imports this module

        sides = (size, size) if isinstance(size, int) else size
        if sides is not None and (len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides)):
            raise UsageError(
                f"size is {shown(size)}; it must be one or two positive integers.",
                "Pass width and height in pixels, such as size=(40, 32).",
            )
        return load(Path(path), size=sides, skip_broken=skip_broken)

    @classmethod
    def from_torch(
        cls,
        train: Any,
        validation: Any = None,
        test: Any = None,
        classes: Sequence[str] | None = None,
        *,
        name: str = "torch",
        preprocessing: str | None = None,
    ) -> "Dataset":
        """Return a dataset in memory of map-style PyTorch datasets, such as those of torchvision.

        Each item is read once, so random transforms of the dataset are drawn once: leave augmentation to the recipe or
        to ``fit(..., transform=...)``. The validation and test splits are read when they are used.

        Args:
            train: a dataset with a length whose items are pairs of an image and a label. An image is a tensor or
                NumPy array of shape [h, w], [c, h, w] or [h, w, c], uint8 or float from 0 to 1, or a PIL image; all
                have the same shape. A label is a position in the classes: an int or a tensor with one integer.
            validation: dataset of the validation split, in the same form; without it, a recipe that needs one divides
                the train split.
            test: dataset of the test split, in the same form; without it, reading ``test`` fails.
            classes: class names. By default the attribute ``classes`` of the dataset, or of the one of which it is a
                subset; otherwise ``"0"`` to the largest label.
            name: name of the dataset.
            preprocessing: see ``from_arrays``.

        Raises:
            DataError: an object is not a map-style dataset, or one of its items is invalid; the item is named.
        """
        from penstroke.data.items import class_names, read_items

        images, labels = read_items(train, "train")
        names = classes if classes is not None else class_names(train)
        data = cls.from_arrays(images, labels, classes=names, name=name, preprocessing=preprocessing)
        known = data.train.classes

        def later(dataset: Any, part: str) -> Callable[[], Split] | None:
            return None if dataset is None else lambda: Split(*read_items(dataset, part), known, part)

        load_test, load_validation = later(test, "test"), later(validation, "validation")
        return cls(data.card, data.train, load_test, requested=name, load_validation=load_validation)

    def __repr__(self) -> str:
        loaded = vars(self).get("test")
        test = _summary(loaded) if loaded else "not read" if self.has_test else "none"
        count = len(self.train.classes)
        return f"Dataset({self.card.name!r}, train: {_summary(self.train)}, test: {test}, {count} classes)"

    @property
    def has_test(self) -> bool:
        """Whether there is a test split. This does not read it."""
        return self._load_test is not None

    @cached_property
    def test(self) -> Split:
        """The test split, read on first use.

        Raises:
            DataError: there is no test split, it cannot be read, or its images or classes do not match the train split.
        """
        if self._load_test is None:
            raise DataError(
                f"The dataset {self.card.name!r} has no test split.",
                "Name data with a test split (--data FOLDER), or add one in a folder test; in Python, give "
                "Dataset.from_arrays(..., test=(images, labels)), or divide a split with stratified_split.",
            )
        return self._checked(self._load_test(), "test")

    @cached_property
    def validation(self) -> Split | None:
        """The dataset's own validation split, read on first use; None if it has none.

        Raises:
            DataError: it cannot be read, or its images or classes do not match the train split.
        """
        return self._checked(self.load_validation(), "validation") if self.load_validation else None

    def with_train(self, train: Split, note: str) -> "Dataset":
        """Return a dataset with another train split and a further note; all else is shared with this one."""
        other = Dataset(
            self.card,
            train,
            (lambda: self.test) if self.has_test else None,
            requested=self.requested,
            notes=(*self.notes, note),
            load_validation=self.load_validation,
        )
        other.options, other.broken, other.sizes = self.options, self.broken, self.sizes
        other.corrections, other.divided = self.corrections, self.divided
        return other

    def _checked(self, part: Split, name: str) -> Split:
        """Return a split, after checking that its images and classes match those of the train split."""
        train = self.train
        if part.classes != train.classes or part.images.shape[1:] != train.images.shape[1:]:
            kinds = [f"{split.images.shape[1:]} and {len(split.classes)} classes" for split in (part, train)]
            raise DataError(
                f"The {name} split of {self.card.name} has images of shape {kinds[0]}; the train split has {kinds[1]}.",
                "Check that both splits belong to the same dataset.",
            )
        return part


def _split_of(given: Any, classes: tuple[str, ...], name: str) -> Split:
    """Return the split of a pair of images and labels."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise UsageError(
            f"{name} is a {type(given).__name__}; it must be a pair of images and labels.",
            f"Pass {name}=(images, labels).",
        )
    return Split(image_array(given[0], name), label_array(given[1], classes, name)[0], classes, name)


def require_dataset(data: object) -> Dataset:
    """Return ``data`` unchanged if it is a dataset.

    Raises:
        UsageError: it is not, for example the name of a dataset.
    """
    if not isinstance(data, Dataset):
        raise UsageError(
            f"data is {shown(data)} ({type(data).__name__}); it must be a Dataset.",
            "Load one with penstroke.load(...), or make one with Dataset.from_folder, from_arrays or from_torch.",
        )
    return data


def _summary(split: Split) -> str:
    return f"{len(split)} images of {'x'.join(map(str, split.images.shape[1:]))}"
