"""A committee: several networks whose probabilities are averaged."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import MaxLen, MinLen
from pydantic import AfterValidator

from penstroke.networks.spec import NetworkSpec, network_from_json
from penstroke.schema import Rule, value_class

if TYPE_CHECKING:
    from torch import nn

MAX_MEMBERS = 64
MEAN, STD = (0.0,), (1 / 255,)
"""Pixel mean and standard deviation of the first layer of a committee, which leaves pixels unchanged: each member
normalises them itself."""


def _no_committee(members: tuple[NetworkSpec, ...]) -> tuple[NetworkSpec, ...]:
    if any(isinstance(member, Committee) for member in members):
        raise ValueError
    return members


Members = Annotated[
    tuple[NetworkSpec, ...],
    MinLen(2),
    MaxLen(MAX_MEMBERS),
    AfterValidator(_no_committee),
    Rule(f"2 to {MAX_MEMBERS} networks, none of them a committee"),
]


@value_class
class Committee(NetworkSpec):
    """Several networks, each with its own normalisation and temperature, whose probabilities are averaged.

    It describes trained models that are joined, so no recipe can name it: see ``penstroke.models.committee``.
    """

    kind = "committee"
    head = ()
    members: Members

    def layers(self, image_shape: tuple[int, int, int], classes: int) -> Iterator[tuple[str, "nn.Module"]]:
        """Yield the members as one layer; see ``NetworkSpec.layers``. Each has a temperature of 1."""
        from penstroke.networks.layers.committee import MeanProbabilities

        members = (member.build(image_shape, classes).with_temperature(1.0) for member in self.members)
        yield "members", MeanProbabilities(members)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; see ``NetworkSpec.to_json``."""
        return {"kind": self.kind, "members": [member.to_json() for member in self.members]}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Committee":
        """Return the spec that ``to_json`` wrote.

        Raises:
            UsageError: the members are missing or invalid.
        """
        given = values.get("members")
        members = given if isinstance(given, list) else []
        # A committee as a member is not read, so that a deeply nested value is not followed.
        if any(isinstance(member, dict) and member.get("kind") == cls.kind for member in members):
            members = []
        return cls(members=tuple(network_from_json(member) for member in members[: MAX_MEMBERS + 1]))
