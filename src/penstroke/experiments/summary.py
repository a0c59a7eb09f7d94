"""Mean, standard deviation and interval of the results of several seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Several measurements of one quantity.

    Args:
        values: the measurements, in the order of the seeds. With none, all other properties are None.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean."""
        return math.fsum(self.values) / len(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation of a sample (with n - 1); None for fewer than two values."""
        if self.mean is None or len(self.values) < 2:
            return None
        squares = math.fsum((value - self.mean) ** 2 for value in self.values)
        return math.sqrt(squares / (len(self.values) - 1))

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean, by Student's t distribution; None for fewer than two values.

        It describes what another seed changes: weights, order and dropout. The data are the same for all seeds.
        """
        if self.mean is None or self.deviation is None:
            return None
        half = student_quantile(len(self.values) - 1) * self.deviation / math.sqrt(len(self.values))
        return self.mean - half, self.mean + half

    @property
    def highest(self) -> float | None:
        """The highest value."""
        return max(self.values, default=None)

    @property
    def lowest(self) -> float | None:
        """The lowest value."""
        return min(self.values, default=None)


def student_quantile(freedom: int, probability: float = 0.975) -> float:
    """Return the quantile of Student's t distribution with ``freedom`` degrees of freedom."""
    from scipy.special import stdtrit  # scipy.stats takes a second to import

    return float(stdtrit(freedom, probability))


def summarise(values: Sequence[float | None]) -> Summary:
    """Return the summary of the values that are not None."""
    return Summary(tuple(value for value in values if value is not None))
