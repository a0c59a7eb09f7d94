"""Fixtures of the tests of networks."""

import pytest
import torch


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Return 64 grey images of 28x28 random pixels."""
    return torch.randint(0, 256, (64, 1, 28, 28), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture(scope="session")
def labels() -> torch.Tensor:
    """Return 64 random labels from 0 to 9."""
    return torch.randint(0, 10, (64,), generator=torch.Generator().manual_seed(1))
