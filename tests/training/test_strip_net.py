"""Tests of the training of the network that reads strips of touching digits."""

import numpy as np
import torch

from penstroke.data import Dataset
from penstroke.training.strip_net import train_strip_net


def test_training_lowers_the_loss_and_a_seed_gives_the_same_network(sample: Dataset) -> None:
    images, labels = sample.train.images[::8, 0], sample.train.labels[::8]
    losses: list[float] = []
    network = train_strip_net(images, labels, 16, seed=3, on_step=lambda _, loss: losses.append(loss))
    again = train_strip_net(images, labels, 16, seed=3)
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    strips = torch.randint(0, 256, (2, 1, 28, 50), dtype=torch.uint8)
    log_probs = network(strips)
    assert log_probs.shape == (2, 25, 11)
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(2, 25))
    assert torch.equal(log_probs, again(strips))
