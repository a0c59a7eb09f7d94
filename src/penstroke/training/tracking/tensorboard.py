"""Tracking with TensorBoard, https://www.tensorflow.org/tensorboard."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from penstroke.data import Dataset, Split
from penstroke.errors import require_extra
from penstroke.inference.backends.torch import forward_batches
from penstroke.networks.layers import Network
from penstroke.recipes import Recipe
from penstroke.training.start import split_validation
from penstroke.training.tracking.tracker import Scalar, Tracker

if TYPE_CHECKING:
    from penstroke.runs import Run
    from penstroke.training.fitted import Fitted

FOLDER = "tensorboard"
"""The folder in the run."""
EMBEDDED = 1000
"""Maximum number of images in the embedding."""
CELL = 24
"""Side of a cell of the confusion matrix in pixels."""


class TensorBoard(Tracker):
    """Writes scalars, the confusion matrix and an embedding to ``RUN/tensorboard``.

    The confusion matrix and the embedding are those of the validation images or, without them, of the test images if
    the recipe measures these after each epoch. Otherwise there are none.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__(report)
        require_extra("track", "tensorboard")
        self._writer: Any = None  # its types are incomplete

    def start(self, run: "Run", done: int) -> None:
        """Open the event file; earlier events after step ``done``, of a killed training, are hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run.path / FOLDER), purge_step=done + 1 if done else None)

    def send(self, scalars: Sequence[Scalar]) -> None:
        """Write values."""
        for name, value, step in scalars:
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def end(self, run: "Run", data: "Dataset", fitted: "Fitted | None") -> None:
        """Write the confusion matrix and the embedding of a finished training, and close the file."""
        if fitted and fitted.history.finished and (split := _measured(run.recipe(), data)):
            self._add_images(fitted, split)
        self._writer.close()

    def _add_images(self, fitted: "Fitted", split: Split) -> None:
        device = next(fitted.model.parameters()).device
        log_probs = forward_batches(fitted.model, torch.from_numpy(np.asarray(split.images)).to(device), 500)
        confusion = _confusion(log_probs.argmax(1).cpu().numpy(), split)
        self._writer.add_image("confusion", _heat_map(confusion), dataformats="HW")
        self._writer.add_text("confusion", _markdown(confusion, split.classes))
        images = torch.from_numpy(split.images[:EMBEDDED])
        features = _features(fitted.model, fitted.description.network.head, images.to(device))
        labels = [split.classes[label] for label in split.labels[:EMBEDDED]]
        self._writer.add_embedding(features.cpu(), metadata=labels, label_img=images.float() / 255)


def _measured(recipe: Recipe, data: Dataset) -> Split | None:
    """Return the images that the recipe measures: the validation split, the test split, or none."""
    validation = split_validation(data, recipe.validation)[1]
    return validation or (data.test if recipe.evaluation.test_each_epoch else None)


def _features(network: Network, head: tuple[str, ...], images: UInt8[Tensor, "n c h w"]) -> Float[Tensor, "n d"]:
    """Return the input of the last layer with weights, or the log-probabilities if that layer is not known."""
    values: Tensor = images
    with torch.no_grad():
        for name, layer in network.named_children():
            if name in head:
                break
            values = layer(values)
    return values.flatten(1)


def _confusion(predictions: Int64[ndarray, " n"], split: Split) -> Int64[ndarray, "classes classes"]:
    """Return the number of images by true class (rows) and most probable class (columns)."""
    size = len(split.classes)
    return np.bincount(split.labels * size + predictions, minlength=size * size).reshape(size, size)


def _heat_map(confusion: Int64[ndarray, "classes classes"]) -> UInt8[ndarray, "h w"]:
    """Return the shares of each row as grey levels, darker for more; mistakes of 1 % are visible."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    return np.kron(255 - np.rint(255 * shares**0.25), np.ones((CELL, CELL))).astype(np.uint8)


def _markdown(confusion: Int64[ndarray, "classes classes"], classes: Sequence[str]) -> str:
    rows = [["true \\ predicted", *classes], ["---"] * (len(classes) + 1)]
    rows += [[name, *map(str, counts)] for name, counts in zip(classes, confusion.tolist(), strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
