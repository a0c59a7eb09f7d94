"""Connected components of masks.

The result equals that of ``scipy.ndimage``. Grey drawings need nothing else of this module, which SciPy imports at its
first use, and whose import takes as long as the preparation of 200 digits.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int32
from numpy import ndarray


@dataclass(frozen=True)
class Components:
    """The connected components of a mask, in the order of their first pixels by rows.

    Args:
        labels: the number of each pixel's component, from 1; 0 outside the mask.
        boxes: top, left, bottom and right of each component; the last row and column are exclusive.
    """

    labels: Int32[ndarray, "h w"]
    boxes: Int[ndarray, "n 4"]

    @property
    def count(self) -> int:
        """The number of components."""
        return len(self.boxes)

    def keep(self, kept: Bool[ndarray, " n"]) -> "Components":
        """Return only the components for which ``kept`` is true."""
        numbers = np.concatenate([[0], np.cumsum(kept) * kept]).astype(np.int32)
        return Components(numbers[self.labels], self.boxes[kept])

    def turned(self, quarters: int = 1) -> "Components":
        """Return the components of the mask turned counterclockwise by quarters, with the same numbers."""
        boxes = self.boxes
        for turn in range(quarters):
            top, left, bottom, right = boxes.T
            width = self.labels.shape[1 - turn % 2]
            boxes = np.stack([width - right, top, width - left, bottom], 1)
        return Components(np.ascontiguousarray(np.rot90(self.labels, quarters)), boxes)


def find_components(mask: Bool[ndarray, "h w"]) -> Components:
    """Return the components of pixels that touch at sides or corners."""
    # The rows of the mask are laid end to end with pixels between them, so that a run of pixels is in one row.
    stride = mask.shape[1] + 2
    line = np.zeros((len(mask), stride), bool)
    line[:, 1:-1] = mask
    changes = np.flatnonzero(line.ravel()[1:] != line.ravel()[:-1]) + 1
    starts, ends = changes[::2], changes[1::2]
    numbers = _number_runs(starts, ends, stride)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(numbers + 1, ends - starts)
    low = np.full((2, numbers.max(initial=-1) + 1), changes.max(initial=0))
    high = np.zeros_like(low)
    for side, first, last in ((0, starts // stride, starts // stride + 1), (1, starts % stride - 1, ends % stride - 1)):
        np.minimum.at(low[side], numbers, first)
        np.maximum.at(high[side], numbers, last)
    return Components(labels, np.concatenate([low, high]).T)


def _number_runs(starts: Int[ndarray, " r"], ends: Int[ndarray, " r"], stride: int) -> Int[ndarray, " r"]:
    """Return the number of each run's component, from 0.

    Args:
        starts: position of the first pixel of each run.
        ends: position behind the last pixel of each run.
        stride: distance of a pixel to the one below it.
    """
    # The runs from `first` to `last` in the row below touch the run. All pairs that touch are joined.
    first, last = np.searchsorted(ends, starts + stride), np.searchsorted(starts, ends + stride, side="right")
    touching = last - first
    upper = np.repeat(np.arange(len(starts)), touching)
    lower = np.arange(len(upper)) + np.repeat(last - np.cumsum(touching), touching)
    order = np.arange(len(starts))
    root = order.copy()
    while not np.array_equal(above := root[upper], below := root[lower]):
        np.minimum.at(root, np.maximum(above, below), np.minimum(above, below))
        while not np.array_equal(root, nearer := root[root]):  # shortens chains of runs
            root = nearer
    return (np.cumsum(root == order) - 1)[root]
