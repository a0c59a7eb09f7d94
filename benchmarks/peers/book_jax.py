"""One epoch of the exercise and its test in JAX, with Flax and Optax; each step is one compiled function.

``python -m benchmarks.peers.book_jax DATA SEED`` prints JSON. The compilation is counted.
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from benchmarks.peers.book_data import BATCH, DECAY, EPS, RATE, TEST_BATCH, read, result


class Network(nn.Module):  # type: ignore[misc]
    """The network of the chapter, on images with channels last."""

    @nn.compact  # type: ignore[untyped-decorator]
    def __call__(self, images: Any, *, train: bool) -> Any:
        x = nn.relu(nn.Conv(16, (3, 3), padding="VALID")(images))
        x = nn.relu(nn.Conv(32, (3, 3), padding="VALID")(x))
        x = nn.max_pool(x, (2, 2), (2, 2))
        x = nn.Dropout(0.10, broadcast_dims=(1, 2), deterministic=not train)(x)
        x = nn.relu(nn.Dense(64)(x.reshape(len(x), -1)))
        x = nn.Dropout(0.25, deterministic=not train)(x)
        return nn.log_softmax(nn.Dense(10)(x))


NETWORK, OPTIMIZER = Network(), optax.adadelta(RATE, DECAY, EPS)


def loss_of(weights: Any, images: Any, labels: Any, key: Any) -> Any:
    log_probs = NETWORK.apply(weights, images, train=True, rngs={"dropout": key})
    return -jnp.take_along_axis(log_probs, labels[:, None], 1).mean()


@partial(jax.jit, donate_argnums=(0, 1))
def step(weights: Any, state: Any, images: Any, labels: Any, key: Any) -> tuple[Any, Any, Any]:
    key, dropout = jax.random.split(key)
    gradients = jax.grad(loss_of)(weights, images, labels, dropout)
    updates, state = OPTIMIZER.update(gradients, state, weights)
    return optax.apply_updates(weights, updates), state, key


@jax.jit  # type: ignore[untyped-decorator]
def test_step(weights: Any, images: Any, labels: Any) -> tuple[Any, Any]:
    log_probs = NETWORK.apply(weights, images, train=False)
    loss = -jnp.take_along_axis(log_probs, labels[:, None], 1).sum()
    return loss, (log_probs.argmax(1) == labels).sum()


def main(data: Path, seed: int) -> None:
    (images, labels), (test_images, test_labels) = read(data)
    images, test_images = images[..., np.newaxis], test_images[..., np.newaxis]
    started = time.perf_counter()
    key = jax.random.key(seed)
    weights = NETWORK.init(key, images[:1], train=False)
    state = OPTIMIZER.init(weights)
    order = np.random.default_rng(seed).permutation(len(images))
    for first in range(0, len(order), BATCH):
        chosen = order[first : first + BATCH]
        weights, state, key = step(weights, state, images[chosen], labels[chosen], key)
    jax.block_until_ready(weights)
    trained = time.perf_counter()
    batches = [slice(first, first + TEST_BATCH) for first in range(0, len(test_images), TEST_BATCH)]
    tested = [test_step(weights, test_images[batch], test_labels[batch]) for batch in batches]
    correct = sum(int(found) for _, found in tested)
    versions = {"jax": jax.__version__, "flax": flax.__version__, "optax": optax.__version__}
    print(json.dumps(result(started, trained, correct, len(test_images), **versions)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
