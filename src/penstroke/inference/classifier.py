"""The one road to inference: command line, Python, server and checks all ask a ``Classifier``."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional as F

from penstroke import runs
from penstroke.errors import DataError, ModelError
from penstroke.inference.reading import Mark, Page, Reading
from penstroke.models.description import Description
from penstroke.models.files import load_model
from penstroke.models.forward import log_probabilities

LEAST_AMONG_OTHERS = 0.3
"""Probability asked for where a mark stands among digits and has their size: most such marks are digits."""


@dataclass(frozen=True)
class Prediction:
    """Answers for images."""

    log_probabilities: Float[Tensor, "n classes"]
    classes: tuple[str, ...]

    @cached_property
    def indices(self) -> Int64[Tensor, "n"]:
        """Index of the likeliest class of each image."""
        return self.log_probabilities.argmax(1)

    @cached_property
    def probabilities(self) -> Float[Tensor, "n classes"]:
        """Probability of each class, for each image."""
        return self.log_probabilities.exp()

    @property
    def labels(self) -> list[str]:
        """Name of the likeliest class of each image."""
        return [self.classes[index] for index in self.indices.tolist()]


class Classifier:
    """A trained network with the names of its classes.

    Args:
        model: takes raw images 0..255 and returns log-probabilities.
        description: what the model is.
        device: where it computes.
    """

    def __init__(self, model: nn.Module, description: Description, device: torch.device | None = None) -> None:
        self.model = model.to(device or torch.device("cpu")).eval()
        self.description = description

    @classmethod
    def load(cls, place: str | Path | None = None, device: str = "cpu") -> "Classifier":
        """Return the classifier of a run folder or a model file; without one, of the latest run.

        Raises:
            RunError: there is no such run, or it has no model.
            ModelError: the model file is none of ours, or damaged.
            UsageError: the device is not there.
        """
        from penstroke.runtime import choose_device

        return cls(*load_model(runs.model_file(place)), choose_device(device))

    def log_probabilities(self, images: UInt8[Tensor, "n c h w"], batch_size: int = 250) -> Float[Tensor, "n classes"]:
        """Return calibrated log-probabilities for raw images, ``float32`` on the images' device.

        Raises:
            DataError: the images do not have the shape that the network takes.
        """
        wanted = self.description.image_shape
        if images.ndim != 4 or tuple(images.shape[1:]) != wanted:
            raise DataError(
                f"The images have shape {list(images.shape)}, and the model takes [n, {', '.join(map(str, wanted))}].",
                "Take the data or the pictures that the model was made for.",
            )
        answers = log_probabilities(self.model, images, batch_size)
        known = self.description.calibration
        return F.log_softmax(answers / known.temperature, dim=1) if known else answers

    def predict(self, images: UInt8[Tensor, "n c h w"]) -> Prediction:
        """Return the answers for raw images with pixels in 0..255."""
        return Prediction(self.log_probabilities(images), self.description.classes)

    def read_symbol(self, picture: str | Path | UInt8[ndarray, "h w *c"]) -> Reading:
        """Return the answer for a picture of one symbol, prepared as the model's pictures were.

        Args:
            picture: a file, or pixels: grey ``[h, w]`` or colour ``[h, w, 3]``.

        Raises:
            DataError: the file is no picture that can be read.
        """
        from penstroke.pictures import EmptyPicture  # with SciPy, which training and testing can do without
        from penstroke.pictures.inputs import network_input

        try:
            image = network_input(picture, self.description.picture_rule, self.description.image_shape)
        except EmptyPicture as fault:
            return Reading((), self.description.classes, fault.message)
        return self.readings(image[None])[0]

    def read_page(self, picture: str | Path | UInt8[ndarray, "h w *c"]) -> Page:
        """Return all digits in a picture, by line from the top, and from left to right.

        Args:
            picture: a file, or pixels: grey ``[h, w]`` or colour ``[h, w, 3]``.

        Raises:
            DataError: the file is no picture that can be read.
            ModelError: the model does not read digits of 28x28 pixels.
        """
        from penstroke.pictures import EmptyPicture, open_picture
        from penstroke.pictures.segment import segment

        what = self.description
        if what.picture_rule != "digit" or what.image_shape != (1, 28, 28):
            raise ModelError(
                f"The model takes pictures by the rule {what.picture_rule!r}, {what.image_shape}, and reads no pages.",
                "Take a model that was trained on digits of 28x28 pixels.",
            )

        def score(images: UInt8[ndarray, "n 28 28"]) -> Float[ndarray, "n classes"]:
            return self.log_probabilities(torch.from_numpy(images)[:, None]).numpy()

        try:
            symbols = segment(picture if isinstance(picture, ndarray) else open_picture(picture), score)
        except EmptyPicture:
            symbols = []
        if not symbols:
            return Page(())
        readings = self.readings(np.stack([symbol.image for symbol in symbols])[:, None], LEAST_AMONG_OTHERS)
        return Page(
            tuple(Mark(symbol.line, symbol.box, found) for symbol, found in zip(symbols, readings, strict=True))
        )

    def readings(self, images: UInt8[ndarray, "n c h w"], least: float = 1.0) -> list[Reading]:
        """Return the answers for pictures that were prepared as the model's pictures were.

        Args:
            images: the pictures.
            least: no more than this probability, 0..1, is asked for, even where the model's calibration asks for more.
        """
        answer = self.predict(torch.from_numpy(images))
        known = self.description.calibration
        least = min(least, known.threshold) if known else 0.0
        return [
            Reading(tuple(row), answer.classes, unsure(max(row), least) if max(row) < least else "")
            for row in answer.probabilities.tolist()
        ]


def unsure(probability: float, least: float) -> str:
    """Return in words why there is no answer."""
    return f"it looks like none of the classes: the likeliest has {probability:.2f}, and {least:.2f} is asked for"
