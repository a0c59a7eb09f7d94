"""The convolutional network of TensorFlow's tutorial, on pictures in a folder, for a number of seconds.

After https://www.tensorflow.org/tutorials/images/cnn, with Keras on JAX:
``python -m benchmarks.peers.keras_beginner FOLDER SECONDS SEED`` prints JSON.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import keras
from keras import layers

from benchmarks.peers.pictures import read_pictures


def main(folder: Path, seconds: float, seed: int) -> None:
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    (x, y), (x_test, y_test) = (read_pictures(folder / part) for part in ("train", "test"))
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(int(y.max()) + 1),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    best, epochs = 0.0, 0
    while time.perf_counter() - started < seconds:
        model.fit(x, y, epochs=1, verbose=0)
        epochs += 1
        if epochs % 5 == 0:
            best = max(best, model.evaluate(x_test, y_test, verbose=0)[1])
    last = model.evaluate(x_test, y_test, verbose=0)[1]
    result = {"accuracy": last, "best": max(best, last), "epochs": epochs, "seconds": time.perf_counter() - started}
    print(json.dumps(result | {"versions": {"keras": keras.__version__}}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
