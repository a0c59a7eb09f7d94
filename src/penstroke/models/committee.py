"""Committees: several trained models as one. This module does not import torch.

The members must take the same images and have the same classes. Their networks, normalisation and temperatures may
differ. The answer is the mean of their probabilities.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from penstroke.errors import ModelError, UsageError
from penstroke.models.description import Calibration, Description
from penstroke.networks.committee import MAX_MEMBERS, MEAN, STD, Committee

TEMPERATURE = "calibration.temperature"
"""Name of the temperature in the state dict of a calibrated network."""
_IDENTITY = {"mean": MEAN, "std": STD}
_ALIKE = {"classes": "classes", "image_shape": "images", "preprocessing": "preparation of pictures"}
"""What all members have in common, with its name in messages."""


def committee_description(members: Mapping[str, Description]) -> Description:
    """Return the description of a committee.

    If all members are calibrated, the rejection threshold is the mean of theirs. It is not determined on images; see
    ``experiments.committee`` for a committee that is calibrated as a whole.

    Args:
        members: the description of each member by its name, for messages.

    Raises:
        UsageError: there are fewer than 2 or more than 64 members.
        ModelError: the members differ in classes, images or preparation of pictures, or one is a committee.
    """
    if not 2 <= len(members) <= MAX_MEMBERS:
        raise UsageError(f"A committee has 2 to {MAX_MEMBERS} different members; {len(members)} are given.")
    names, descriptions = list(members), list(members.values())
    first = descriptions[0]
    for name, description in members.items():
        if isinstance(description.network, Committee):
            raise ModelError(f"{name} is a committee; it cannot be a member of another one.", "Name its members.")
        for field, title in _ALIKE.items():
            expected, found = getattr(first, field), getattr(description, field)
            if found != expected:
                raise ModelError(
                    f"The {title} of {names[0]} and {name} differ: {_shown(expected)}, and {_shown(found)}.",
                    "Join only models that take the same images and have the same classes in the same order.",
                )
    known = [description.calibration for description in descriptions if description.calibration]
    threshold = float(np.mean([calibration.threshold for calibration in known])) if known else 0.0
    return Description(
        network=Committee(members=tuple(description.network for description in descriptions)),
        image_shape=first.image_shape,
        classes=first.classes,
        mean=MEAN,
        std=STD,
        preprocessing=first.preprocessing,
        calibration=Calibration(threshold=threshold, images=0, rejected=0, wrong=0)
        if len(known) == len(members)
        else None,
        trained=_common([description.trained for description in descriptions]) | {"members": names},
    )


def committee_weights(members: Sequence[Mapping[str, ndarray]], channels: int) -> dict[str, ndarray]:
    """Return the tensors of a committee by name, from those of its members. A temperature is 1 unless it is given.

    Args:
        members: the tensors of each member by name, as a model file holds them.
        channels: channels of the images.
    """
    weights = {f"normalise.{name}": np.array(value * channels, np.float32) for name, value in _IDENTITY.items()}
    for number, member in enumerate(members):
        calibrated = {TEMPERATURE: np.array(1.0, np.float32)} | dict(member)
        weights |= {f"members.{number}.{name}": array for name, array in calibrated.items()}
    return weights


def _common(values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the entries that all dictionaries have in common, also within nested dictionaries."""
    result: dict[str, Any] = {}
    for name, value in values[0].items():
        others: list[Any] = [other.get(name) for other in values]
        if all(isinstance(other, dict) for other in others):
            result[name] = _common(others)
        elif all(other == value for other in others):
            result[name] = value
    return result


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
