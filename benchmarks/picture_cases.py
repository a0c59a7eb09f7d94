"""Draw pictures that a model reads right and wrong, for the docs: ``python -m benchmarks.picture_cases MODEL``.

Goes through trial pictures of the test digits, kind by kind, and writes one sheet of right ones, one of each kind, and
one of wrong ones with what was said and what is true.
"""

import sys
from itertools import islice
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.trial_pictures import KINDS, trial
from penstroke import Classifier, runtime
from penstroke.inference import Reading
from penstroke.insight.plots import RIGHT, WRONG, save_figure

Case = tuple[str, object, Reading, str]
IMAGES = Path(__file__).parent.parent / "docs" / "images"
FIRST_SEED = 50_000
TRIED = 40
"""Pictures of each kind that are looked at."""
COLUMNS = 7


def cases(classifier: Classifier, kind: str, wanted: bool) -> list[Case]:
    """Return the pictures of a kind that are read right, or those that are not: kind, picture, reading, truth."""
    found: list[Case] = []
    for seed in range(FIRST_SEED, FIRST_SEED + TRIED):
        picture, truth = trial(seed, kind)
        reading = classifier.read_symbol(picture)
        if (reading.label == truth) == wanted:
            found.append((kind, picture, reading, truth))
            if wanted:
                break
    return found


def sheet(drawn: list[Case], path: Path) -> Path:
    """Draw the cases in rows, each with its kind, what was said and what is true."""
    rows = -(-len(drawn) // COLUMNS)
    figure = Figure(figsize=(1.55 * COLUMNS, 1.95 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (kind, picture, reading, truth) in zip(axes, drawn, strict=False):
        axis.imshow(picture)
        said = reading.label or "no answer"
        axis.set_title(
            f"{kind}\n{said}" + ("" if said == truth else f", is {truth}"),
            fontsize=8,
            color=RIGHT if said == truth else WRONG,
        )
    return save_figure(figure, path, dpi=80)


def main() -> None:
    """Look, draw, and name the files."""
    runtime.prepare()
    classifier = Classifier.load(sys.argv[1])
    for wanted, name in ((True, "right"), (False, "wrong")):
        found: list[Case] = [case for kind in KINDS for case in cases(classifier, kind, wanted)]
        print(sheet(list(islice(found, 4 * COLUMNS)), IMAGES / f"pictures-{name}.png"))


if __name__ == "__main__":
    main()
