"""What is said of one picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """The answer for one picture, or that there is none.

    Args:
        probabilities: of each class, in the classes' order; empty when nothing was found to ask about.
        classes: names of the classes.
        reason: why no answer is given; empty when one is.
    """

    probabilities: tuple[float, ...]
    classes: tuple[str, ...]
    reason: str = ""

    @property
    def abstained(self) -> bool:
        """Whether no answer is given."""
        return bool(self.reason)

    @property
    def ranking(self) -> list[tuple[str, float]]:
        """Classes with their probabilities, likeliest first."""
        return sorted(zip(self.classes, self.probabilities, strict=False), key=lambda pair: -pair[1])

    @property
    def label(self) -> str | None:
        """The likeliest class, or None when no answer is given."""
        return None if self.abstained else self.ranking[0][0]

    @property
    def probability(self) -> float | None:
        """Probability of the likeliest class, 0..1, or None when nothing was found to ask about."""
        return self.ranking[0][1] if self.probabilities else None
