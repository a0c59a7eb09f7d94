"""``PenstrokeClassifier``: training and prediction as an estimator of scikit-learn.

Importing this module imports scikit-learn, and ``fit`` imports torch.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from penstroke.data import Dataset
from penstroke.data.arrays import CHANNELS
from penstroke.errors import UsageError, require_extra
from penstroke.inference import Classifier
from penstroke.models.files import model_bytes, parse_model
from penstroke.recipes import Recipe
from penstroke.recipes.presets import require_recipe
from penstroke.schema import shown

MIN_STEPS = 400
"""Minimum number of training steps of a recipe that is given by its name."""
MIN_SIDE = 16
"""Minimum height and width of the network's images in pixels; the pixels of smaller images are repeated."""
_PIXELS = (0.0, 255.0)


class PenstrokeClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier of small images with the interface of scikit-learn.

    It works in pipelines, cross-validation and grid search, and is cloned and pickled as other estimators are. A pickle
    holds the content of a model file, not a network.

    ``X`` holds n images: ``[n, h, w]``, ``[n, c, h, w]`` or ``[n, h, w, c]`` with 1 or 3 channels c, or rows of
    ``n_features`` values, as pipelines pass them. A row is an image of ``image_shape``; by default a square if
    ``n_features`` is a square number, and otherwise an image of one row of pixels. An image with fewer than 16 pixels
    a side is enlarged by repeating its pixels.

    Args:
        recipe: the name of a recipe, or a recipe. If it is a name, and ``options`` has no ``epochs``, data of few
            images is trained for more epochs than the recipe's, so that there are at least 400 steps.
        options: fields of the recipe to change, by their flat names, such as ``{"epochs": 10, "lr": 0.05}``.
        validation: fraction of the training images, 0..0.5, by which the model is calibrated, instead of the
            recipe's.
        image_shape: shape of an image in a row of ``X``: ``(h, w)``, ``(c, h, w)`` or ``(h, w, c)``.
        value_range: the two values of ``X`` that are black (0) and white (255). Values between are scaled linearly and
            rounded to 0..255; values outside are clipped. By default ``(0, 255)`` if the training images are uint8,
            and otherwise their smallest and largest value.
        seed: seed of the initial weights, the order of the images and the augmentation, in the place of the recipe's.
        device: ``auto``, ``cpu``, ``cuda``, ``mps`` or ``xpu``; see ``penstroke.fit``.
        verbose: print the progress of the training on stderr.

    Attributes:
        classes_: the different labels of ``y``, sorted.
        classifier_: the trained ``penstroke.Classifier``; ``classifier_.save(path)`` writes a model file. It takes the
            enlarged images.
        image_shape_: shape of an image in ``X``.
        n_features_in_: number of values of an image.
        value_range_: the values of ``X`` that are black and white.
    """

    classes_: ndarray
    classifier_: Classifier
    image_shape_: tuple[int, ...]
    n_features_in_: int
    value_range_: tuple[float, float]

    def __init__(
        self,
        recipe: str | Recipe = "fast",
        *,
        options: Mapping[str, Any] | None = None,
        validation: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | None = None,
        seed: int = 0,
        device: str = "auto",
        verbose: bool = False,
    ) -> None:
        # scikit-learn requires that parameters are stored as they are given, and checked in fit.
        self.recipe = recipe
        self.options = options
        self.validation = validation
        self.image_shape = image_shape
        self.value_range = value_range
        self.seed = seed
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:
        """Train a network.

        Args:
            X: images; see the class.
            y: n labels: integers, strings or booleans.

        Returns:
            The estimator itself.

        Raises:
            ValueError: ``X`` or ``y`` is invalid; most errors are a ``UsageError``, which is a ``ValueError``.
            UsageError: a parameter is invalid, ``y`` has one class, or the recipe does not apply to the images.
            MissingExtraError: PyTorch is not installed.
        """
        require_extra("train", "torch")
        from penstroke.training import fit

        rows, shape = _rows(X)
        rows, labels = validate_data(self, rows, y)
        check_classification_targets(labels)
        self.classes_, positions = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise UsageError(
                f"y has 1 class, {str(self.classes_[0])!r}; a classifier needs at least two.",
                "Add images of other classes.",
            )
        self.image_shape_ = self._chosen_shape(shape, rows.shape[1])
        self.value_range_ = self._chosen_range(rows)
        names = [str(name) for name in self.classes_]
        data = Dataset.from_arrays(self._images(rows), positions, classes=names)
        recipe = self._chosen_recipe(len(rows))
        self.classifier_ = fit(recipe, data, device=self.device, progress=bool(self.verbose)).classifier()
        return self

    def predict_proba(self, X: Any) -> Float64[ndarray, "n classes"]:
        """Return the probabilities of the classes, in the order of ``classes_``.

        Raises:
            NotFittedError: ``fit`` was not called.
            ValueError: ``X`` is invalid, or its images do not have the shape of the training images.
        """
        check_is_fitted(self)
        rows, shape = _rows(X)
        rows = validate_data(self, rows, reset=False)
        if shape not in (None, self.image_shape_):
            raise UsageError(
                f"The images have the shape {list(shape or ())}; those of the training had {list(self.image_shape_)}.",
                "Pass images of the same shape.",
            )
        probabilities = np.exp(self.classifier_.log_probs(self._images(rows)).astype(np.float64))
        return np.asarray(probabilities / probabilities.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> ndarray:
        """Return the most probable class of each image; the classifier never abstains.

        Raises:
            NotFittedError, ValueError: see ``predict_proba``.
        """
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _chosen_shape(self, given: tuple[int, ...] | None, features: int) -> tuple[int, ...]:
        """Return the shape of an image in ``X``: that of the array, ``image_shape``, a square, or one row."""
        side = math.isqrt(features)
        inferred = (side, side) if side * side == features else (1, features)
        shape = given or inferred
        if self.image_shape is not None:
            shape = _tuple("image_shape", self.image_shape, (2, 3))
            if math.prod(shape) != features or given not in (None, shape):
                actual = f"the shape {list(given)}" if given else f"{features} values"
                raise UsageError(
                    f"image_shape is {shown(self.image_shape)}; the images in X have {actual}.",
                    "Pass the shape of one image, or omit image_shape.",
                )
        if not (len(shape) == 2 or (len(shape) == 3 and (shape[0] in CHANNELS or shape[2] in CHANNELS))):
            raise UsageError(
                f"The images have the shape {list(shape)}; it must be [h, w], [c, h, w] or [h, w, c], with 1 or 3 "
                "channels.",
                "Reshape the images.",
            )
        return shape

    def _chosen_range(self, rows: ndarray) -> tuple[float, float]:
        """Return the values of ``X`` that are black and white."""
        if self.value_range is not None:
            low, high = map(float, _tuple("value_range", self.value_range, (2,)))
            if not low < high:
                raise UsageError(
                    f"value_range is {shown(self.value_range)}; the first value must be below the second.",
                    "Pass the values of black and white, such as (0, 1).",
                )
            return low, high
        if rows.dtype == np.uint8:
            return _PIXELS
        low, high = float(rows.min()), float(rows.max())
        return low, high if high > low else low + 1

    def _chosen_recipe(self, images: int) -> Recipe:
        """Return the recipe with the parameters of the estimator."""
        recipe = require_recipe(self.recipe)
        if not isinstance(self.options, Mapping | None):
            raise UsageError(
                f"options is {shown(self.options)}; it must be a dictionary of fields of the recipe.",
                "Pass a dictionary, such as {'epochs': 10}.",
            )
        given = {"seed": self.seed} | ({} if self.validation is None else {"validation": self.validation})
        # Grids of parameters are often NumPy arrays, and a recipe takes Python's numbers.
        changes = {
            name: value.item() if isinstance(value, np.generic) else value
            for name, value in (given | dict(self.options or {})).items()
        }
        recipe = recipe.replace(test_each_epoch=False, **changes)
        if isinstance(self.recipe, Recipe) or "epochs" in changes:
            return recipe
        steps = -(-images // recipe.batch_size)
        least = -(-MIN_STEPS // steps)
        return recipe if recipe.epochs_for(images) >= least else recipe.replace(epochs=least)

    def _images(self, rows: ndarray) -> UInt8[ndarray, "n c h w"]:
        """Return the network's images for rows of values."""
        low, high = self.value_range_
        if rows.dtype != np.uint8 or (low, high) != _PIXELS:
            scaled = (rows.astype(np.float64) - low) * (255 / (high - low))
            rows = np.rint(scaled.clip(0, 255)).astype(np.uint8)
        images = rows.reshape(len(rows), *self.image_shape_)
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[1] not in CHANNELS:
            images = images.transpose(0, 3, 1, 2)
        for axis in (2, 3):
            if images.shape[axis] < MIN_SIDE:
                images = images.repeat(-(-MIN_SIDE // images.shape[axis]), axis)
        return np.ascontiguousarray(images)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "classifier_" in state:
            classifier: Classifier = state["classifier_"]
            state["classifier_"] = model_bytes(classifier.backend.weights(), classifier.description)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "classifier_" in state:
            require_extra("train", "torch")
            from penstroke.models.modules import module_from
            from penstroke.runtime import choose_device

            description, weights = parse_model(state["classifier_"])
            module = module_from(description, weights)
            self.classifier_ = Classifier.from_module(module, description, choose_device(self.device))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _tuple(name: str, value: Any, lengths: tuple[int, ...]) -> tuple[Any, ...]:
    """Return a parameter that must be a tuple or list of numbers, of one of these lengths."""
    numbers = isinstance(value, tuple | list) and all(isinstance(item, int | float | np.number) for item in value)
    if not numbers or len(value) not in lengths:
        count = " or ".join(map(str, lengths))
        raise UsageError(f"{name} is {shown(value)}; it must be a tuple of {count} numbers.", "Pass a tuple.")
    return tuple(value)


def _rows(X: Any) -> tuple[Any, tuple[int, ...] | None]:
    """Return one row of values for each image, and the shape of an image if ``X`` is not two-dimensional."""
    array = X
    if isinstance(X, list | tuple):
        try:
            array = np.asarray(X)
        except ValueError:  # lists of different lengths
            return X, None
    shape = tuple(getattr(array, "shape", ()))
    if len(shape) not in (3, 4) or 0 in shape:
        return X, None  # scikit-learn checks the other kinds
    return np.asarray(array).reshape(shape[0], -1), shape[1:]
