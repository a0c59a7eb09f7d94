"""One epoch of the exercise and its test with Keras on JAX.

``python -m benchmarks.peers.book_keras DATA SEED`` prints JSON. The compilation is counted.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
from keras import layers

from benchmarks.peers.book_data import BATCH, DECAY, EPS, RATE, TEST_BATCH, read, result


def main(data: Path, seed: int) -> None:
    (images, labels), (test_images, test_labels) = read(data)
    images, test_images = images[..., np.newaxis], test_images[..., np.newaxis]
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.SpatialDropout2D(0.10),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adadelta(RATE, rho=DECAY, epsilon=EPS)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)
    trained = time.perf_counter()
    accuracy = model.evaluate(test_images, test_labels, batch_size=TEST_BATCH, verbose=0)[1]
    versions = {"keras": keras.__version__, "jax": jax.__version__}
    print(json.dumps(result(started, trained, accuracy * len(test_images), len(test_images), **versions)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
