"""Distillation: a network learns the probabilities of a trained model, the teacher, for augmented images.

After G. Hinton and others, "Distilling the knowledge in a neural network", 2015, https://arxiv.org/abs/1503.02531, with
the teacher's own temperature. The loop is unchanged: the teacher replaces the labels of each augmented batch.
"""

import torch
from torch import Tensor

from penstroke.data import Split
from penstroke.errors import ModelError, RunError
from penstroke.inference import Classifier
from penstroke.inference.backends.torch import TorchBackend
from penstroke.synthesis import NO_CLASS, BatchAugmentation


def open_teacher(source: str, train: Split, device: torch.device) -> torch.nn.Module:
    """Return the network of a teacher, from raw images to log-probabilities, on a device.

    Args:
        source: run folder, model file, committee, or ``ready``.
        train: the training images.
        device: where the network computes.

    Raises:
        RunError, ModelError: the teacher is missing or damaged, or does not fit the training images.
        UsageError: the teacher is an ONNX file.
    """
    remedy = "Name a run or a model file with --teacher, or train it first; docs/best.md describes how."
    try:
        classifier = Classifier.load(source, str(device), backend="torch")
    except RunError as error:
        raise RunError(f"The teacher cannot be read. {error.message}", remedy) from error
    description = classifier.description
    found, expected = (description.image_shape, description.classes), (train.images.shape[1:], train.classes)
    if found != expected:
        raise ModelError(
            f"The teacher {source} takes images of shape {list(found[0])} with the classes {', '.join(found[1])}; the "
            f"training images have {list(expected[0])} and {', '.join(expected[1])}.",
            "Choose a teacher that was trained on such images.",
        )
    backend = classifier.backend
    assert isinstance(backend, TorchBackend), "the backend was chosen"
    return backend.module.eval()


def with_teacher(augment: BatchAugmentation | None, teacher: torch.nn.Module) -> BatchAugmentation:
    """Return an augmentation whose labels are the probabilities ``float32 [b, classes]`` of a teacher.

    Images that show none of the classes have equal probabilities: the teacher need not know such images.

    Args:
        augment: the augmentation whose images the teacher sees.
        teacher: network from raw images to log-probabilities.
    """

    def apply(images: Tensor, labels: Tensor, part: slice = slice(None), /) -> tuple[Tensor, Tensor]:
        if augment:
            images, labels = augment(images, labels)
        with torch.no_grad():
            probabilities = teacher(images).exp()
        equal = torch.full_like(probabilities, 1 / probabilities.shape[1])
        return images[part], torch.where((labels == NO_CLASS)[:, None], equal, probabilities)

    return apply
