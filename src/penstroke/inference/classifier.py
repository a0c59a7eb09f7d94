"""``Classifier``: the inference path of the command line, of Python code and of evaluations.

This module does not depend on how a model is computed: see ``penstroke.inference.backends``.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL.Image import Image

from penstroke.errors import DataError, EmptyPicture, ModelError
from penstroke.inference.backends import BATCH_SIZE, Backend, BackendOpener
from penstroke.inference.committee import open_source
from penstroke.inference.predictions import Page, Prediction, make_predictions
from penstroke.inference.preparation import preparing, worker_count
from penstroke.inference.source import default_source
from penstroke.inference.worker import Preparation
from penstroke.models.description import Description
from penstroke.models.files import write_model
from penstroke.pictures.files import MAX_PIXELS
from penstroke.pictures.preprocessing import Picture, load_pixels

if TYPE_CHECKING:
    from torch import device as Device
    from torch import nn

    from penstroke.pictures.cuts import ReadFunction

DIGITS = tuple("0123456789")
"""The classes of models whose pages are read with the bundled network for touching digits."""
Pictures: TypeAlias = list[Any] | tuple[Any, ...]
"""Several pictures; a list is invariant in its type, so that of its items is not stated."""
_Result = TypeVar("_Result", Prediction, Page)


class Classifier:
    """A trained model that classifies pictures.

    Args:
        backend: computes the model; or a backend that is opened on first use.
        description: the model's metadata.
        source: run or model file that the model comes from, for display.
    """

    def __init__(self, backend: Backend | BackendOpener, description: Description, source: str = "") -> None:
        self._backend = backend
        self.description = description
        self.source = source

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        device: str = "cpu",
        backend: str = "auto",
        threads: int | None = None,
    ) -> "Classifier":
        """Return the classifier of a run, a model file, an exported ONNX file, the bundled model, or several of these.

        The description is read immediately. The weights are loaded at the first prediction, because importing PyTorch
        takes a second, during which other processes can prepare pictures.

        Args:
            source: run folder, model file, ONNX file, or ``ready`` for the bundled model. None selects the latest run
                in ``./runs``, or the bundled model if no run has a model. Several, joined by ``+``, are a committee:
                the mean of their probabilities.
            device: ``auto``, ``cpu``, ``cuda``, ``mps`` or ``xpu``.
            backend: ``torch`` for runs and model files, ``onnx`` for ONNX files, or ``auto``. The bundled model is
                available to both.
            threads: threads of the backend ``onnx``; None selects one per core. The number of PyTorch's threads is a
                setting of the process, ``torch.set_num_threads``.

        Raises:
            RunError: the run does not exist, or has no model.
            ModelError: the model file is missing, damaged or not a model file; raised on first use if only its
                weights are damaged. Members of a committee differ in classes, images or preparation of pictures.
            UsageError: the backend is unknown or cannot compute the file, or the device is not available; the latter
                is raised on first use.
            MissingExtraError: the backend is ``torch``, and PyTorch is not installed; raised on first use.
        """
        source = default_source() if source is None else source
        return cls(*open_source(source, backend, device, threads), str(source))

    @classmethod
    def from_module(
        cls, module: "nn.Module", description: Description, device: "Device | str" = "cpu", source: str = ""
    ) -> "Classifier":
        """Return the classifier of a network that takes raw images and returns log-probabilities.

        Args:
            module: the network. It is moved to ``device``.
            description: the model's metadata.
            device: device that computes.
            source: see ``Classifier``.
        """
        from penstroke.inference.backends.torch import TorchBackend

        return cls(TorchBackend(module, device), description, source)

    @cached_property
    def backend(self) -> Backend:
        """The backend that computes the model; opened on first use."""
        return self._backend() if isinstance(self._backend, BackendOpener) else self._backend

    @property
    def backend_name(self) -> str:
        """The name of the backend, which is not opened."""
        return self._backend.name

    @property
    def threshold(self) -> float:
        """Rejection threshold: the model abstains where the highest probability, 0..1, is below this."""
        calibration = self.description.calibration
        return calibration.threshold if calibration else 0.0

    def log_probs(
        self, images: UInt8[ndarray, "n c h w"], batch_size: int = BATCH_SIZE
    ) -> Float32[ndarray, "n classes"]:
        """Return calibrated log-probabilities for raw images with pixels in 0..255.

        Raises:
            DataError: the images do not have the shape or dtype that the model takes.
        """
        shape = self.description.image_shape
        if images.ndim != 4 or images.shape[1:] != shape or images.dtype != np.uint8:
            raise DataError(
                f"The images are {images.dtype} of shape {list(images.shape)}; the model takes uint8 of shape "
                f"[n, {', '.join(map(str, shape))}].",
                "Use data or pictures of the kind that the model was trained on.",
            )
        if not len(images):
            return np.empty((0, len(self.description.classes)), np.float32)
        return self.backend.log_probs(images, batch_size)

    @overload
    def predict(self, pictures: Pictures, *, max_pixels: int = ...) -> list[Prediction]: ...
    @overload
    def predict(self, pictures: str | Path | bytes | Image, *, max_pixels: int = ...) -> Prediction: ...
    @overload
    def predict(self, pictures: ndarray, *, max_pixels: int = ...) -> Any: ...  # depends on the number of dimensions
    def predict(self, pictures: Picture | Pictures, *, max_pixels: int = MAX_PIXELS) -> Prediction | list[Prediction]:
        """Return the prediction for a picture of one symbol, or a list of predictions for many.

        Args:
            pictures: a picture: path, bytes of a picture file, PIL image, or ``uint8`` array ``[h, w]`` or
                ``[h, w, 3]``; a list or tuple of pictures; or raw images that need no preparation, as one ``uint8``
                array ``[n, c, h, w]``. A ``uint8`` array of exactly the model's ``image_shape`` ``[c, h, w]``, such as
                ``data.test.images[0]``, is one raw image.
            max_pixels: pictures with more pixels are rejected before they are decoded.

        Returns:
            A prediction for one picture or one raw image, otherwise a list. In a list, a picture that cannot be used
            gives a prediction with an ``error``. A picture without ink gives a prediction that abstains.

        Raises:
            DataError: the one picture cannot be used, or raw images do not have the model's shape.
        """
        if isinstance(pictures, ndarray) and pictures.ndim == 4:
            return self._predict_images(pictures)
        if (
            isinstance(pictures, ndarray)
            and pictures.dtype == np.uint8
            and pictures.shape == self.description.image_shape
        ):
            return self._predict_images(pictures[None])[0]
        return _each(partial(self._predict_pictures, max_pixels=max_pixels), pictures)

    def predict_each(
        self, pictures: Sequence[Picture], *, max_pixels: int = MAX_PIXELS, workers: int | None = None
    ) -> Iterator[Prediction]:
        """Yield the prediction for each picture, in order. At most a few hundred pictures are in memory at a time.

        Args:
            pictures: pictures, see ``predict``.
            max_pixels: pictures with more pixels are rejected before they are decoded.
            workers: number of processes that prepare pictures; 0 for this process, None for the fastest number.

        Yields:
            Predictions; for a picture that cannot be used, one with an ``error``.
        """
        description = self.description
        imports_torch = self.backend_name == "torch" and "torch" not in sys.modules
        if workers is None:
            workers = worker_count(pictures, idle=not imports_torch)
        preparation = Preparation(description.preprocessing, description.image_shape, max_pixels)
        with preparing(pictures, preparation, workers) as results:
            _ = self.backend  # opens the model, and may import PyTorch, while the workers prepare pictures
            while prepared := list(islice(results, BATCH_SIZE)):
                yield from self.predict_prepared(prepared)

    def predict_prepared(self, prepared: Sequence[ndarray | DataError]) -> list[Prediction]:
        """Return the prediction for each result of a ``Preparation``: an image ``uint8 [c, h, w]``, or an error."""
        classes = self.description.classes
        images = [result for result in prepared if isinstance(result, ndarray)]
        predictions = iter(self._predict_images(np.stack(images)) if images else [])
        return [
            Prediction((), classes, reason=result.message)
            if isinstance(result, EmptyPicture)
            else Prediction((), classes, error=result)
            if isinstance(result, DataError)
            else next(predictions)
            for result in prepared
        ]

    @overload
    def read(self, pictures: Pictures, *, max_pixels: int = ...) -> list[Page]: ...
    @overload
    def read(self, pictures: Picture, *, max_pixels: int = ...) -> Page: ...
    def read(self, pictures: Picture | Pictures, *, max_pixels: int = MAX_PIXELS) -> Page | list[Page]:
        """Return all digits in a picture, by line from the top, and from left to right.

        Args:
            pictures: a picture, or a list or tuple of pictures: see ``predict``.
            max_pixels: pictures with more pixels are rejected before they are decoded.

        Returns:
            A page for one picture, otherwise a list, in which a picture that cannot be used gives a page with an
            ``error``.

        Raises:
            DataError: the one picture cannot be used.
            ModelError: the model does not take digits of 28x28 pixels.
        """
        description = self.description
        if description.preprocessing != "digit" or description.image_shape != (1, 28, 28):
            raise ModelError(
                f"The model takes images of shape {list(description.image_shape)} with preprocessing "
                f"{description.preprocessing!r}; pages can only be read with [1, 28, 28] and 'digit'.",
                "Use a model that was trained on digits of 28x28 pixels.",
            )
        return _each(lambda chosen: [self._read_page(picture, max_pixels) for picture in chosen], pictures)

    def save(self, path: str | Path) -> None:
        """Write the model to a file, such as ``model.safetensors``, from which ``Classifier.load`` restores it.

        Raises:
            ModelError: the network is a module that was passed to ``penstroke.fit``, not a registered network, or the
                backend is ``onnx``.
            StorageError: ``path`` is a folder, or the file cannot be written.
            UsageError: ``path`` ends with ``.onnx``.
        """
        write_model(Path(path), self.backend.weights(), self.description)

    def __repr__(self) -> str:
        description = self.description
        return (
            f"Classifier(source={self.source!r}, network={description.network.kind!r}, "
            f"image_shape={description.image_shape}, classes={len(description.classes)}, "
            f"preprocessing={description.preprocessing!r}, threshold={self.threshold:.4g})"
        )

    def _predict_images(self, images: UInt8[ndarray, "n c h w"]) -> list[Prediction]:
        return make_predictions(self.log_probs(images), self.description.classes, self.threshold)

    def _predict_pictures(self, pictures: Sequence[Picture], max_pixels: int) -> list[Prediction]:
        return list(self.predict_each(pictures, max_pixels=max_pixels))

    def _read_page(self, picture: Picture, max_pixels: int) -> Page:
        from penstroke.inference.pages import PageReader

        try:
            pixels = load_pixels(picture, max_pixels)
        except DataError as error:
            return Page((), error)
        reader = PageReader(
            lambda images: self.log_probs(images[:, None]),
            self.description.classes,
            self.threshold,
            knows_outliers=self._knows_outliers,
            read_strip=self._strip_reader,
        )
        return reader.read(pixels)

    @property
    def _strip_reader(self) -> "ReadFunction | None":
        """The function that reads touching digits as a whole, if the classes are the ten digits."""
        if tuple(self.description.classes) != DIGITS:
            return None
        from penstroke.inference.strip_reader import read_strip

        return read_strip

    @property
    def _knows_outliers(self) -> bool:
        """Whether the model was trained on outliers and calibrated, so that low probabilities are evidence of them."""
        recipe = self.description.trained.get("recipe") or {}
        return self.description.calibration is not None and bool(recipe.get("outliers"))


def _each(
    action: Callable[[Sequence[Picture]], list[_Result]], pictures: Picture | Pictures
) -> _Result | list[_Result]:
    """Return the results for a list of pictures, or the result for one picture, whose error is raised."""
    if isinstance(pictures, list | tuple):
        return action(pictures)
    (result,) = action([pictures])
    if result.error:
        raise result.error
    return result
