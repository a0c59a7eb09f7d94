"""Make the bundled network for touching digits: ``python -m benchmarks.ready_strips [--steps 9000]``.

It reads strips of touching digits as a whole (``penstroke.inference.strip_reader``). It is trained on MNIST's training
images without the last 10,000, on which ``benchmarks.pictures --tune`` measures. The test set is not used.
"""

import time
from pathlib import Path

import cyclopts
import numpy as np
import torch
from onnx import numpy_helper
from onnxruntime import InferenceSession
from torch.export import Dim

from benchmarks.trial_pictures import VALIDATION_SIZE
from penstroke import load, runtime
from penstroke.export.graph import INPUT, export_graph
from penstroke.export.precision import round_model, store_as_float16, with_arrays
from penstroke.inference.strip_reader import beam_search
from penstroke.models import bundled
from penstroke.storage import write_bytes
from penstroke.synthesis.touching import touching_digits
from penstroke.training.strip_net import StripNet, train_strip_net

CHECKED = 1_000
"""Number of strips of other digits on which the network is measured."""


def write(network: StripNet, path: Path) -> None:
    """Write a network for onnxruntime, with weights of 8 significant bits as ``float16``, which compress well."""
    strips = torch.zeros((2, 1, 28, 60), dtype=torch.uint8)
    model = export_graph(network, strips, {0: Dim("n"), 3: Dim("w")})
    arrays = {array.name: numpy_helper.to_array(array) for array in model.graph.initializer}
    rounded = with_arrays(model, round_model(arrays))
    write_bytes(path, store_as_float16(rounded).SerializeToString(deterministic=True))


def main(*, steps: int = 9_000, seed: int = 0, out: Path = bundled.STRIPS) -> None:
    """Train and write the network.

    Args:
        steps: number of steps.
        seed: seed of the training.
        out: the file.
    """
    runtime.configure(threads=1)
    train = load("mnist").train
    images, labels = train.images[:, 0], train.labels
    start = time.perf_counter()

    def report(step: int, loss: float) -> None:
        if step % 200 == 0:
            print(f"step {step} of {steps}: loss {loss:.3f}, {time.perf_counter() - start:.0f} s", flush=True)

    network = train_strip_net(images[:-VALIDATION_SIZE], labels[:-VALIDATION_SIZE], steps, seed, report)
    write(network, out)
    session = InferenceSession(out, providers=["CPUExecutionProvider"])
    strips, texts = touching_digits(
        images[-VALIDATION_SIZE:], labels[-VALIDATION_SIZE:], CHECKED, np.random.default_rng(1)
    )
    right: dict[int, list[bool]] = {}
    for strip, text in zip(strips, texts, strict=True):
        (log_probs,) = session.run(None, {INPUT: strip[None, None]})
        right.setdefault(len(text), []).append(beam_search(log_probs[0])[0][0] == text)
    for length, each in sorted(right.items()):
        print(f"{length} digits: {sum(each)} of {len(each)} strips are read correctly")


if __name__ == "__main__":
    cyclopts.run(main)
