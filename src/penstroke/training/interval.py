"""How often a training run writes checkpoints. This module does not import torch."""

import re
from dataclasses import dataclass

from penstroke.errors import UsageError

MIN_SECONDS = 10.0
"""Minimum time between two automatic checkpoints in seconds."""
MAX_SHARE = 0.02
"""Maximum fraction of the training time that automatic checkpoints may take."""


@dataclass(frozen=True)
class CheckpointInterval:
    """The interval between two checkpoints. The default is automatic: every 10 s, or less often to take at most 2 %.

    Args:
        steps: number of steps.
        seconds: number of seconds.
        never: write no checkpoints.
    """

    steps: int | None = None
    seconds: float | None = None
    never: bool = False

    @classmethod
    def parse(cls, text: str) -> "CheckpointInterval":
        """Return the interval that a text describes: ``auto``, ``never``, steps (``500``) or seconds (``30s``).

        Raises:
            UsageError: the text describes no interval.
        """
        if text == "auto":
            return cls()
        if text == "never" or re.fullmatch(r"0+s?", text):
            return cls(never=True)
        if re.fullmatch(r"[0-9]{1,9}", text):
            return cls(steps=int(text))
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?s", text):
            return cls(seconds=float(text[:-1]))
        raise UsageError(
            f"checkpoint_every is {text!r}; it must be a number of steps, such as 500, or of seconds, such as 30s.",
            "Use `never` or 0 to write no checkpoints, and `auto` for the default.",
        )

    def __str__(self) -> str:
        """Return the text from which ``parse`` makes an equal interval."""
        if self.never:
            return "never"
        if self.steps is not None:
            return str(self.steps)
        return "auto" if self.seconds is None else f"{self.seconds:.9f}".rstrip("0").rstrip(".") + "s"

    def due(self, steps: int, seconds: float, cost: float) -> bool:
        """Return whether to write a checkpoint now.

        Args:
            steps: steps since the previous checkpoint.
            seconds: seconds since the previous checkpoint.
            cost: seconds that writing the previous checkpoint took.
        """
        if self.never:
            return False
        if self.steps is not None:
            return steps >= self.steps
        return seconds >= (max(MIN_SECONDS, cost / MAX_SHARE) if self.seconds is None else self.seconds)
