"""Recipes: one frozen, typed, complete description of a training.

A recipe is a function that returns a whole ``Recipe``; a variant calls another and replaces a few fields. A recipe is
checked whole when it is made, and every fault is listed at once. This file imports no torch, and knows neither the
data nor the device that a recipe will meet.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from penstroke.errors import UsageError, nearest

OPTIMIZERS = ("adadelta", "adam", "adamw", "muon", "rmsprop", "sgd")
SCHEDULES = ("constant", "one-cycle", "step")


@dataclass(frozen=True, kw_only=True)
class ConvNetSpec:
    """The textbook network: two convolutions, a max-pool, two dropouts and two linear layers."""

    channels: tuple[int, int] = (16, 32)
    """Output channels of the two convolutions."""
    kernel_sizes: tuple[int, int] = (3, 3)
    """Side of the two kernels, in pixels."""
    strides: tuple[int, int] = (1, 1)
    """Steps of the two kernels, in pixels."""
    hidden: int = 64
    """Width of the hidden linear layer."""
    dropout: tuple[float, float] = (0.10, 0.25)
    """Share of channels dropped after the pool, and of units dropped before the last layer."""

    def faults(self) -> Iterator[str]:
        """Yield one sentence for each number that cannot be."""
        yield from _size_faults(self)
        yield from _outside("dropout", self.dropout, lambda value: 0 <= value < 1, "at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class PatchNetSpec:
    """The fast network: overlapping patches, more convolutions, two linear layers."""

    channels: tuple[int, ...] = (16, 24)
    """Output channels of the convolutions, one or more."""
    kernel_sizes: tuple[int, ...] = (7, 3)
    """Side of each kernel, in pixels."""
    strides: tuple[int, ...] = (3, 1)
    """Step of each kernel, in pixels."""
    hidden: int = 96
    """Width of the hidden linear layer."""

    def faults(self) -> Iterator[str]:
        """Yield one sentence for each number that cannot be."""
        yield from _size_faults(self)
        counts = len(self.channels), len(self.kernel_sizes), len(self.strides)
        if len(set(counts)) > 1 or not 1 <= counts[0] <= 16:
            yield f"channels, kernel_sizes, strides are {counts} numbers, and must be equally many, from 1 to 16"


NetworkSpec = ConvNetSpec | PatchNetSpec
NETWORKS: dict[str, type[NetworkSpec]] = {"convnet": ConvNetSpec, "patchnet": PatchNetSpec}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A complete description of a training, apart from the data and the device.

    Raises:
        UsageError: at construction, listing every field that cannot be, with its rule.
    """

    name: str
    """What runs made from it are called."""
    network: NetworkSpec = field(default_factory=ConvNetSpec)
    """The network and its arguments."""
    epochs: int = 2
    """How often the training images are gone through."""
    batch_size: int = 32
    """Images per step."""
    optimizer: str = "adadelta"
    """One of adadelta, adam, adamw, muon, rmsprop, sgd."""
    lr: float = 0.5
    """Learning rate."""
    momentum: float = 0.0
    """Momentum of muon, sgd and rmsprop."""
    head_lr: float = 0.005
    """Learning rate of what muon leaves to Adam: biases and the last layer."""
    weight_decay: float = 0.0
    """Weight decay (decoupled for adamw, none for muon, L2 for the others)."""
    label_smoothing: float = 0.0
    """Share of the loss that asks for all classes alike."""
    shift: int = 0
    """Pixels by which each batch is moved at random, at most, each way."""
    distortion: float = 0.0
    """How strongly each image is turned, bent, blurred and so on at random; 1 is very much."""
    non_digits: float = 0.0
    """Share of each batch that shows no digit and is to get no sure answer; only for digits of 28x28 pixels."""
    schedule: str = "constant"
    """How the learning rate changes: constant, one-cycle (up, then down to zero), step (times lr_decay per epoch)."""
    warmup: float = 0.1
    """Share of the training in which the schedule `one-cycle` rises."""
    lr_decay: float = 0.7
    """Factor per epoch of the schedule `step`."""
    seed: int = 0
    """Fixes the initial weights, the order of the images and the dropout."""
    mean: float | None = None
    """Pixel mean taken off by the network, in 0..1; measured on the training images when not given."""
    std: float | None = None
    """Pixel deviation divided by, in 0..1; measured on the training images when not given."""
    validation: float = 0.0
    """Share of the training images held back to measure on."""
    refuse: float = 0.005
    """Share of such held-back images that may go without an answer, so that what is no digit gets none either."""
    test_each_epoch: bool = False
    """Whether the test images are measured after each epoch, as in the textbook; nothing is chosen by it."""
    test_batch_size: int = 500
    """Images per batch when measuring."""
    log_every: int = 10
    """Batches between two lines of progress."""

    def __post_init__(self) -> None:
        faults = list(_type_faults(self)) or [*self._faults(), *self.network.faults()]
        if faults:
            raise UsageError(
                f"Recipe {self.name!r} cannot be: {'; '.join(faults)}.",
                "Mend these fields; `penstroke train --help` lists each with its default.",
            )

    def _faults(self) -> Iterator[str]:
        if not self.name or self.name.startswith(".") or "/" in self.name or "\\" in self.name:
            yield f"name is {self.name!r}, and must be a folder's name: no slashes, no dot in front"
        for name in ("epochs", "batch_size", "test_batch_size", "log_every"):
            yield from _outside(name, getattr(self, name), lambda value: value >= 1, "at least 1")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if (value := getattr(self, name)) not in known:
                yield f"{name} is {value!r}, which is unknown. {nearest(value, known)}".rstrip(".")
        yield from _outside("lr", self.lr, lambda value: 0 < value < 1e4, "above 0 and below 10000")
        yield from _outside("head_lr", self.head_lr, lambda value: 0 < value < 1e4, "above 0 and below 10000")
        yield from _outside(
            "label_smoothing", self.label_smoothing, lambda value: 0 <= value < 1, "at least 0 and below 1"
        )
        yield from _outside("shift", self.shift, lambda value: 0 <= value <= 64, "from 0 to 64")
        yield from _outside("distortion", self.distortion, lambda value: 0 <= value <= 2, "from 0 to 2")
        yield from _outside("non_digits", self.non_digits, lambda value: 0 <= value <= 0.5, "from 0 to 0.5")
        yield from _outside("refuse", self.refuse, lambda value: 0 <= value <= 0.5, "from 0 to 0.5")
        yield from _outside("warmup", self.warmup, lambda value: 0 <= value < 1, "at least 0 and below 1")
        yield from _outside("lr_decay", self.lr_decay, lambda value: 0 < value <= 1, "above 0 and at most 1")
        yield from _outside("momentum", self.momentum, lambda value: 0 <= value < 1, "at least 0 and below 1")
        yield from _outside("weight_decay", self.weight_decay, lambda value: 0 <= value < 1, "at least 0 and below 1")
        yield from _outside("seed", self.seed, lambda value: 0 <= value < 2**32, "from 0 to 4294967295")
        if self.mean is not None:
            yield from _outside("mean", self.mean, lambda value: 0 <= value <= 1, "from 0 to 1")
        if self.std is not None:
            yield from _outside("std", self.std, lambda value: 0 < value <= 1, "above 0 and at most 1")
        yield from _outside("validation", self.validation, lambda value: 0 <= value <= 0.5, "from 0 to 0.5")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, from which ``from_json`` makes an equal recipe."""
        values = dataclasses.asdict(self)
        kind = next(name for name, spec in NETWORKS.items() if isinstance(self.network, spec))
        return values | {"network": {"kind": kind} | dataclasses.asdict(self.network)}

    @classmethod
    def from_json(cls, values: Any) -> "Recipe":
        """Return the recipe that ``to_json`` wrote.

        Raises:
            UsageError: a field is unknown, missing, of the wrong type or impossible.
        """
        if not isinstance(values, dict):
            raise UsageError(f"A recipe is a JSON object, not {type(values).__name__}.")
        network = values.get("network")
        return _construct(cls, values | {"network": network_from_json(network)})


def network_from_json(values: Any) -> NetworkSpec:
    """Return the network description that ``Recipe.to_json`` wrote under ``network``.

    Raises:
        UsageError: the kind or an argument is unknown, missing or of the wrong type.
    """
    if not isinstance(values, dict) or not isinstance(values.get("kind"), str):
        raise UsageError("A network is a JSON object with a `kind`.", nearest("", NETWORKS))
    arguments = dict(values)
    kind = arguments.pop("kind")
    if kind not in NETWORKS:
        raise UsageError(f"The network kind {kind!r} is unknown.", nearest(kind, NETWORKS))
    return _construct(NETWORKS[kind], arguments)


def book(**changes: Any) -> Recipe:
    """The textbook's training: ConvNet, Adadelta at 0.5, batches of 32, seed 0, two epochs, tested after each.

    Its mean and deviation are the ones that the chapter prints; `docs/chapter.md` says why they differ from the
    measured 0.1307 and 0.3081.
    """
    recipe = Recipe(name="book", mean=0.1302, std=0.3069, test_each_epoch=True)
    return dataclasses.replace(recipe, **changes)


def fast(**changes: Any) -> Recipe:
    """The shortest way to 99.0 % on MNIST: one epoch of PatchNet with Muon. ``docs/fast.md`` tells how it was found."""
    recipe = Recipe(
        name="fast",
        network=PatchNetSpec(),
        epochs=1,
        batch_size=256,
        optimizer="muon",
        lr=0.15,
        momentum=0.7,
        label_smoothing=0.05,
        shift=1,
        schedule="one-cycle",
    )
    return dataclasses.replace(recipe, **changes)


def sturdy(**changes: Any) -> Recipe:
    """The recipe for use: learns from digits as other hands, pens and cameras make them, and when it does not know.

    ``docs/pictures.md`` tells how it was found and what it reaches.
    """
    recipe = Recipe(
        name="sturdy",
        network=PatchNetSpec(channels=(32, 64, 128), kernel_sizes=(5, 3, 3), strides=(2, 1, 2), hidden=128),
        epochs=16,
        batch_size=256,
        optimizer="muon",
        lr=0.02,
        momentum=0.9,
        label_smoothing=0.05,
        schedule="one-cycle",
        distortion=0.5,
        non_digits=0.14,
        refuse=0.0025,
        validation=0.1,
    )
    return dataclasses.replace(recipe, **changes)


RECIPES: dict[str, Callable[..., Recipe]] = {"book": book, "fast": fast, "sturdy": sturdy}


def get(name: str) -> Recipe:
    """Return the recipe called ``name``.

    Raises:
        UsageError: no recipe has that name; the nearest is suggested.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe called {name!r}.", nearest(name, RECIPES))
    return RECIPES[name]()


def _size_faults(spec: NetworkSpec) -> Iterator[str]:
    for name in ("channels", "kernel_sizes", "strides", "hidden"):
        yield from _outside(name, getattr(spec, name), lambda value: 1 <= value <= 65_536, "from 1 to 65536")


def _outside(name: str, value: Any, holds: Callable[[Any], bool], rule: str) -> Iterator[str]:
    """Yield a fault if any number of ``value`` breaks the rule."""
    numbers = value if isinstance(value, tuple) else (value,)
    if not all(math.isfinite(number) and holds(number) for number in numbers):
        yield f"{name} is {value}, and must be {rule}"


def _type_faults(value: Any) -> Iterator[str]:
    """Yield a fault for each dataclass field whose value is not of its declared type (int passes for float)."""
    hints = get_type_hints(type(value))
    for item in dataclasses.fields(value):
        present, hint = getattr(value, item.name), hints[item.name]
        if not _fits(present, hint):
            yield f"{item.name} is {present!r}, and must be {getattr(hint, '__name__', None) or hint}"


def _fits(value: Any, hint: Any) -> bool:
    arguments: tuple[Any, ...] = getattr(hint, "__args__", ())
    if getattr(hint, "__origin__", None) is tuple:
        if arguments[-1] is Ellipsis:
            return isinstance(value, tuple) and all(_fits(part, arguments[0]) for part in value)
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(_fits(part, kind) for part, kind in zip(value, arguments, strict=True))
        )
    if arguments:  # a union such as float | None
        return any(_fits(value, kind) for kind in arguments)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, hint) or (hint is float and isinstance(value, int))


def _construct(kind: type[Any], values: dict[str, Any]) -> Any:
    """Make a dataclass from JSON values: lists become tuples, unknown and missing names are refused."""
    fields = {item.name: item for item in dataclasses.fields(kind)}
    unknown = [name for name in values if name not in fields]
    if unknown:
        raise UsageError(f"Unknown field {unknown[0]!r}.", nearest(unknown[0], fields))
    required = {
        name
        for name, item in fields.items()
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - values.keys()):
        raise UsageError(f"Missing fields: {', '.join(missing)}.")
    made = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
    if kind is not Recipe and (faults := list(_type_faults(made)) or list(made.faults())):
        raise UsageError(f"That network cannot be: {'; '.join(faults)}.")
    return made
