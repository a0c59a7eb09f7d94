"""The disputed labels of MNIST's test set, which is recognised by its content."""

import numpy as np

from penstroke.data import Dataset
from penstroke.data.disputed import MNIST_DISPUTED, disputed_indices


def test_they_are_known_for_mnist_alone(mnist: Dataset, sample: Dataset) -> None:
    found = disputed_indices(mnist.test)
    assert found is not None
    assert found.tolist() == sorted(MNIST_DISPUTED)
    assert len(set(MNIST_DISPUTED)) == 15
    # The labels of the first five in the test set.
    assert mnist.test.labels[found[:5]].tolist() == [8, 0, 9, 4, 2]
    assert disputed_indices(sample.test) is None
    assert disputed_indices(mnist.test.subset(np.arange(9_999))) is None
