"""The base class of network specs, and their registry. Only building a network imports torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, dataclass_transform

from annotated_types import Ge, Le
from pydantic import Field

from penstroke.errors import ModelError, UsageError, nearest
from penstroke.schema import shown, value_class

if TYPE_CHECKING:
    from torch import nn

    from penstroke.networks.layers import Network

Size = Annotated[int, Ge(1), Le(65_536)]
"""A number of channels, units or pixels."""
Spec = TypeVar("Spec", bound="NetworkSpec")

NETWORKS: dict[str, type["NetworkSpec"]] = {}
"""The registered specs by kind."""


@value_class
class NetworkSpec(ABC):
    """The kind of a network and its arguments, without the image shape and the number of classes.

    A subclass with ``@register``, in a module of this package or in a program of the user, adds a network.
    """

    kind: ClassVar[str]
    """Name of the network in recipes and on the command line."""
    head: ClassVar[tuple[str, ...]]
    """Names of the layers that the optimizer ``muon`` leaves to Adam, usually the output layer."""

    @abstractmethod
    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the names and modules of the network, from normalised images to log-probabilities.

        Args:
            image_shape: channels, height and width of the images.
            classes: number of classes.

        Raises:
            UsageError: the images are too small for the network.
        """

    def build(
        self,
        image_shape: tuple[int, int, int] = (1, 28, 28),
        classes: int = 10,
        mean: Sequence[float] = (0.1307,),
        std: Sequence[float] = (0.3081,),
    ) -> "Network":
        """Return a new network with random weights, drawn from PyTorch's global generator.

        Args:
            image_shape: channels, height and width of the images.
            classes: number of classes.
            mean: pixel mean in 0..1, one value for all channels or one for each.
            std: pixel standard deviation in 0..1, one value for all channels or one for each.

        Raises:
            UsageError: the images are too small for the network, or ``mean`` or ``std`` does not fit the channels.
        """
        import torch

        from penstroke.networks.layers import Network, Normalise

        channels = image_shape[0]
        normalise = Normalise(per_channel("mean", mean, channels), per_channel("std", std, channels))
        network = Network()
        network.add_module("normalise", normalise)
        for name, layer in self.layers(image_shape, classes):
            network.add_module(name, layer)
        # With channels last, convolutions and pooling are several times faster on a CPU.
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``network_from_json`` makes an equal spec."""
        return {"kind": self.kind} | asdict(self)


@value_class
class UnregisteredNetwork(NetworkSpec):
    """The spec of a module that was passed to ``fit``.

    Files that hold the computation, such as ONNX, can describe such a network; model files cannot.
    """

    kind = "unregistered"
    head = ()

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:  # noqa: ARG002
        """Raise an error: only the caller of ``fit`` can build the module.

        Raises:
            ModelError: always.
        """
        raise unregistered_error()


def unregistered_error() -> ModelError:
    """Return the error for a model file with an ``UnregisteredNetwork``."""
    return ModelError(
        "This model cannot be saved: its network is a module that was passed to fit, and a model file describes only "
        "registered networks.",
        "Export it to ONNX with penstroke.export, register the network with penstroke.networks.register and name it in "
        "the recipe, or save the state dict of the module with torch.save.",
    )


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
def register(kind: str, *, head: tuple[str, ...]) -> Callable[[type[Spec]], type[Spec]]:
    """Return a decorator that makes a class a network spec and registers it.

    Args:
        kind: name of the network in recipes and on the command line.
        head: names of the layers that the optimizer ``muon`` leaves to Adam.

    Raises:
        ValueError: a class of another name or module is registered under ``kind``. One of the same name is replaced,
            so that a cell of a notebook can be run again.
    """

    def add(cls: type[Spec]) -> type[Spec]:
        known = NETWORKS.get(kind, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"The network kind {kind!r} is registered already, as {NETWORKS[kind].__name__}.")
        cls.kind, cls.head = kind, head
        NETWORKS[kind] = value_class(cls)
        return NETWORKS[kind]  # type: ignore[return-value]

    return add


def network_from_json(values: Any) -> NetworkSpec:
    """Return the spec that ``NetworkSpec.to_json`` wrote.

    Raises:
        UsageError: the kind is unknown, or fields are unknown or invalid; all of them are listed.
    """
    if not isinstance(values, dict) or not isinstance(kind := values.get("kind"), str):
        raise UsageError(f"A network is a JSON object with a `kind`, not {shown(values)}.", nearest("", NETWORKS))
    if kind == UnregisteredNetwork.kind:
        return UnregisteredNetwork()
    if kind == "committee":
        from penstroke.networks.committee import Committee  # imports this module

        return Committee.from_json(values)
    if kind not in NETWORKS:
        raise UsageError(f"The network kind {shown(kind)} is unknown.", nearest(kind, NETWORKS))
    return NETWORKS[kind](**{name: value for name, value in values.items() if name != "kind"})


def convolved_size(
    image_shape: tuple[int, int, int],
    kernel_sizes: Sequence[int],
    strides: Sequence[int],
    paddings: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Return height and width, in pixels, after convolutions, by default without padding.

    Raises:
        UsageError: a kernel is larger than its input.
    """
    size = [image_shape[1], image_shape[2]]
    paddings = paddings or [0] * len(kernel_sizes)
    for layer, (kernel, stride, padding) in enumerate(zip(kernel_sizes, strides, paddings, strict=True), start=1):
        size = [side + 2 * padding for side in size]
        if min(size) < kernel:
            raise UsageError(
                f"Convolution {layer} gets {size[0]}x{size[1]} pixels, fewer than its {kernel}x{kernel} kernel, "
                f"from images of {image_shape[1]}x{image_shape[2]}.",
                "Use larger images, or smaller kernel sizes or strides.",
            )
        size = [(side - kernel) // stride + 1 for side in size]
    return size[0], size[1]


def per_channel(name: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    """Return one value for each channel.

    Args:
        name: what the values are, for the error message.
        values: one value for all channels, or one for each.
        channels: number of channels.

    Raises:
        UsageError: the number of values is neither 1 nor ``channels``.
    """
    if len(values) not in (1, channels):
        raise UsageError(
            f"{name} has {len(values)} values, and the images have {channels} channel{'s' * (channels != 1)}.",
            "Give one value for all channels, or one for each.",
        )
    return tuple(values) * (channels if len(values) == 1 else 1)
