"""Labels of known test sets that people did not confirm."""

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from penstroke.data.split import Split
from penstroke.data.statistics import fingerprint

MNIST_TEST = "cbe63d07144393f19de10ba5ebf8feabbd020b8ec6b92edb34cd24b96670a8b9"
"""Fingerprint of MNIST's test split."""
MNIST_DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)
"""Indices in MNIST's test split, from 0, whose labels were not confirmed.

Of 100 candidates found by confident learning, each was judged by five people; for these 15, most of them did not agree
with the label (C. Northcutt, A. Athalye and J. Mueller, "Pervasive label errors in test sets destabilize machine
learning benchmarks", 2021, https://arxiv.org/abs/2103.14749, https://labelerrors.com).
"""


def disputed_indices(test: Split) -> Int64[ndarray, " m"] | None:
    """Return the indices of the images whose labels are disputed, or None if they are not known for this split.

    They are known for MNIST's test split, which is recognised by its content, not by its name.
    """
    return np.array(MNIST_DISPUTED) if fingerprint(test) == MNIST_TEST else None
