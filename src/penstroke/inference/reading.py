"""What is said of one picture: of its one symbol, or of a whole page of them."""

from dataclasses import dataclass
from itertools import groupby


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


@dataclass(frozen=True)
class Mark:
    """One mark of a digit's size on a page, and what it was read as; ``reading.abstained`` where it is none."""

    line: int
    """Index of its line, from the top."""
    box: tuple[int, int, int, int]
    """``(x, y, width, height)`` in the picture's pixels."""
    reading: Reading


@dataclass(frozen=True)
class Page:
    """What is written on a page, in reading order."""

    marks: tuple[Mark, ...]

    @property
    def digits(self) -> list[Mark]:
        """The marks that were read."""
        return [mark for mark in self.marks if not mark.reading.abstained]

    @property
    def left_out(self) -> list[Mark]:
        """The marks that look like none of the classes."""
        return [mark for mark in self.marks if mark.reading.abstained]

    @property
    def lines(self) -> list[str]:
        """The text of each line in which a digit was read."""
        by_line = groupby(self.digits, key=lambda mark: mark.line)
        return ["".join(str(mark.reading.label) for mark in line) for _, line in by_line]
