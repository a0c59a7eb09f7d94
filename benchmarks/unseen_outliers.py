"""Whether pictures of unknown kinds are rejected: ``python -m benchmarks.unseen_outliers``.

Trains recipe ``robust`` twice, each time with one half of the kinds of outliers, and counts how many pictures that
resemble the other half are rejected (``benchmarks.outlier_pictures``), and how many digits of the test set. Writes
``benchmarks/results/unseen-outliers.json``. ``--out FOLDER`` keeps the runs, and the same command continues
interrupted ones.
"""

from pathlib import Path
from typing import Any
from unittest import mock

import cyclopts

from benchmarks.accuracy import trained
from benchmarks.conditions import save_result
from benchmarks.outlier_pictures import outlier_picture
from benchmarks.pictures import share
from penstroke import load, recipes, runtime
from penstroke.synthesis import outliers

LINES = (outliers._character, outliers._sign, outliers._regular_polygon, outliers._polygons, outliers._noise)
"""Kinds that are drawn with straight or few lines, and noise."""
HALVES = {
    "letters, signs, polygons, noise": (LINES, ("face", "checkerboard", "scribble", "texture")),
    "scribbles, scenes, clouds, patterns": (
        tuple(kind for kind in outliers.KINDS if kind not in LINES),
        ("letter", "symbol", "noise", "blank"),
    ),
}
"""The kinds that a model is trained on, and those of ``outlier_pictures`` that resemble none of them."""


def main(*, n: int = 200, seed: int = 0, threads: int | None = None, out: Path | None = None) -> None:
    """Count the pictures of unseen kinds that are rejected.

    Parameters
    ----------
    n
        Number of pictures of each kind.
    seed
        Seed of the trainings.
    threads
        Number of PyTorch's threads. By default one per core.
    out
        Folder of the runs. By default, no runs are kept.
    """
    runtime.configure(threads)
    data = load("mnist")
    rows: dict[str, Any] = {}
    for number, (name, (seen, unseen)) in enumerate(HALVES.items()):
        with mock.patch.object(outliers, "KINDS", seen):
            classifier, _ = trained(recipes.robust(seed=seed), data, out / f"half-{number}" if out else None)
        kinds = {}
        for kind in unseen:
            pictures = (outlier_picture(index, kind) for index in range(n))
            kinds[kind] = share(sum(classifier.predict(picture).abstained for picture in pictures), n)
            print(f"trained on {name}; {kind}: {kinds[kind]['right']} of {n} rejected", flush=True)
        digits = classifier.predict(data.test.images)
        rejected = share(sum(prediction.abstained for prediction in digits), len(digits))
        rows[name] = {"kinds": kinds, "digits rejected": rejected}
        print(f"test digits rejected: {rejected['right']}", flush=True)
    print(f"Saved {save_result('unseen-outliers', {'seed': seed, 'rows': rows})}")


if __name__ == "__main__":
    cyclopts.run(main)
