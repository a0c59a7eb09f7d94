"""What a network computes inside, and which pixels its answer rests on. Importing this module imports torch.

Activations, kernels and attributions are NumPy arrays. This module does not draw.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from torch import Tensor, nn

from penstroke.errors import ModelError, UsageError, nearest, require_extra
from penstroke.inference.backends.torch import TorchBackend
from penstroke.inference.classifier import Classifier
from penstroke.networks.layers import Network

METHODS = ("integrated-gradients", "occlusion", "gradient")
"""Methods of attribution: Sundararajan et al., 2017 (https://arxiv.org/abs/1703.01365), Zeiler and Fergus, 2014
(https://arxiv.org/abs/1311.2901), and Simonyan et al., 2014 (https://arxiv.org/abs/1312.6034)."""
STEPS = 64
"""Points of the path from a black image over which integrated gradients are summed."""
BATCH = 512
"""Images that pass the network at once while integrated gradients are computed."""
WINDOW, STRIDE = 4, 2
"""Side and distance, in pixels, of the black squares that ``occlusion`` puts on the image."""


@dataclass(frozen=True, eq=False)
class Stage:
    """The output of one layer with weights and of the layers without weights that follow it, for one image."""

    layers: tuple[str, ...]
    """Names of the layers, without dropouts, which do nothing after training."""
    values: Float32[ndarray, "*shape"]
    """Maps ``[channels, h, w]``, or units ``[n]``."""

    @property
    def is_maps(self) -> bool:
        """Whether the output consists of maps, and not of single units."""
        return self.values.ndim == 3


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of the first convolution."""

    layer: str
    values: Float32[ndarray, "outputs inputs h w"]


@dataclass(frozen=True)
class Variety:
    """How different the maps of the first convolution are, over many images."""

    images: int
    """Number of images."""
    maps: int
    """Number of maps."""
    silent: int
    """Maps that are zero at every pixel of every image."""
    pair: tuple[int, int] | None
    """The two most similar maps, from 0; None with fewer than two maps that are not constant."""
    correlation: float | None
    """Pearson correlation of their values, -1..1."""


def require_network(classifier: Classifier) -> Network:
    """Return the PyTorch network of a classifier.

    Raises:
        UsageError: another backend than PyTorch computes the model.
        MissingExtraError: PyTorch is not installed.
    """
    backend = classifier.backend
    if not isinstance(backend, TorchBackend) or not isinstance(backend.module, Network):
        raise UsageError(
            f"{classifier.source or 'The model'} is computed by {backend.name}, which does not give access to its "
            "layers.",
            'Use a run or a model file: Classifier.load(run, backend="torch").',
        )
    return backend.module


def stages(classifier: Classifier, image: UInt8[ndarray, "c h w"]) -> list[Stage]:
    """Return what the layers of a network compute for one image, from the normalised image to the probabilities.

    The first stage is the normalised image, and the last one the log-probabilities, ``[classes]``.

    Args:
        classifier: a classifier that PyTorch computes.
        image: raw image with pixels in 0..255.

    Raises:
        UsageError: see ``require_network``.
    """
    network = require_network(classifier)
    found: list[tuple[list[str], Tensor]] = []
    with torch.inference_mode():
        values = _tensor(image[None], network)
        for name, layer in network.named_children():
            values = layer(values)
            if any(True for _ in layer.parameters()) or not found:
                found.append(([name], values))
            elif isinstance(layer, nn.modules.dropout._DropoutNd):
                continue
            else:
                found[-1] = ([*found[-1][0], name], values)
        return [Stage(tuple(names), values[0].float().cpu().numpy().copy()) for names, values in found]


def first_kernels(classifier: Classifier) -> Kernels | None:
    """Return the kernels of the first convolution, or None if the network has none.

    Raises:
        UsageError: see ``require_network``.
    """
    for name, layer in require_network(classifier).named_children():
        if isinstance(layer, nn.Conv2d):
            return Kernels(name, layer.weight.detach().float().cpu().contiguous().numpy().copy())
    return None


def variety(classifier: Classifier, images: UInt8[ndarray, "n c h w"]) -> Variety | None:
    """Return how different the maps of the first convolution are, or None if the network has no convolution.

    Args:
        classifier: a classifier that PyTorch computes.
        images: raw images with pixels in 0..255.

    Raises:
        UsageError: see ``require_network``.
    """
    network = require_network(classifier)
    seen = False
    with torch.inference_mode():
        values = _tensor(images, network)
        for layer in network.children():
            if seen and any(True for _ in layer.parameters()):
                break
            seen = seen or isinstance(layer, nn.Conv2d)
            values = layer(values)
    if not seen or values.ndim != 4:
        return None
    flat = values.float().cpu().transpose(0, 1).flatten(1).numpy().astype(np.float64)
    silent = int((flat == 0).all(1).sum())
    varying = np.flatnonzero(flat.std(1) > 0)
    if len(varying) < 2:
        return Variety(len(images), len(flat), silent, None, None)
    table = np.asarray(np.corrcoef(flat[varying]))
    np.fill_diagonal(table, -np.inf)
    first, second = np.unravel_index(int(table.argmax()), table.shape)
    pair = int(varying[first]), int(varying[second])
    return Variety(len(images), len(flat), silent, pair, float(table[first, second]))


def log_odds(log_probs: Float[ndarray, "n classes"], classes: Int64[ndarray, " n"]) -> Float[ndarray, " n"]:
    """Return ``log(p / (1 - p))`` of one class per row, in nats. It is computed without loss for ``p`` near 1."""
    values = torch.from_numpy(np.asarray(log_probs, np.float64))
    return _log_odds(values, torch.from_numpy(np.asarray(classes, np.int64))).numpy()


def attributions(
    classifier: Classifier,
    images: UInt8[ndarray, "n c h w"],
    classes: Int64[ndarray, " n"],
    method: str = "integrated-gradients",
) -> Float32[ndarray, "n c h w"]:
    """Return how much each pixel speaks for a class, or against it where the value is negative.

    What is explained are the log-odds of the class, ``log(p / (1 - p))``, in nats. With ``integrated-gradients``, the
    values of an image sum up to its log-odds minus those of a black image. With ``occlusion``, a value is the fall of
    the log-odds when a black square covers the pixel, averaged over the squares that do. With ``gradient``, it is the
    size of the derivative by the pixel's value in 0..255, and never negative.

    Args:
        classifier: a classifier that PyTorch computes.
        images: raw images with pixels in 0..255.
        classes: the class to explain of each image, as its position in the classes.
        method: one of ``METHODS``, as Captum implements them.

    Raises:
        MissingExtraError: Captum is not installed.
        UsageError: the method is unknown, or see ``require_network``.
        ModelError: an attribution is not a finite number.
    """
    if method not in METHODS:
        raise UsageError(f"The method of attribution is {method!r}, which is unknown.", nearest(method, METHODS))
    require_extra("explain", "captum.attr")
    network = require_network(classifier)
    pixels, targets = _tensor(images, network).float(), torch.from_numpy(classes).to(_device(network))
    was_training = network.training
    network.eval()
    try:
        values = _attribute(network, pixels, targets, method)
    finally:
        network.train(was_training)
    result = values.detach().float().cpu().numpy()
    if not np.isfinite(result).all():
        raise ModelError("The attributions of the model are not finite numbers.", "Train the model again.")
    return result


def _attribute(
    network: Network, pixels: Float[Tensor, "n c h w"], targets: Tensor, method: str
) -> Float[Tensor, "n c h w"]:
    from captum.attr import IntegratedGradients, Occlusion, Saliency

    def score(images: Float[Tensor, "m c h w"], classes: Tensor) -> Float[Tensor, " m"]:
        return _log_odds(network(images), classes)

    if method == "integrated-gradients":
        path = IntegratedGradients(score)
        return path.attribute(pixels, 0.0, additional_forward_args=targets, n_steps=STEPS, internal_batch_size=BATCH)
    if method == "gradient":
        return Saliency(score).attribute(pixels.requires_grad_(), additional_forward_args=targets)
    channels, *sides = pixels.shape[1:]
    window = (channels, *(min(WINDOW, side) for side in sides))
    squares = {"sliding_window_shapes": window, "strides": (channels, STRIDE, STRIDE)}
    return Occlusion(score).attribute(pixels, baselines=0.0, additional_forward_args=targets, **squares)


def _log_odds(log_probs: Float[Tensor, "n classes"], classes: Tensor) -> Float[Tensor, " n"]:
    chosen = nn.functional.one_hot(classes, log_probs.shape[1]).bool()
    return log_probs[chosen] - log_probs.masked_fill(chosen, -torch.inf).logsumexp(1)


def _tensor(images: UInt8[ndarray, "n c h w"], network: Network) -> Tensor:
    return torch.from_numpy(np.require(images, requirements=["C", "W"])).to(_device(network))


def _device(network: Network) -> torch.device:
    return next(network.parameters()).device
