"""Draw correctly and wrongly predicted pictures for the docs: ``python -m benchmarks.picture_cases MODEL``.

Predicts generated pictures of test digits, kind by kind, and writes two sheets: one correctly predicted picture per
kind, and the wrongly predicted ones with prediction and label.
"""

import sys
from itertools import islice
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.trial_pictures import KINDS, trial
from penstroke import Classifier, runtime
from penstroke.inference import Prediction
from penstroke.report.plots import CORRECT, WRONG, save_figure

Case = tuple[str, object, Prediction, str]
"""Kind, picture, prediction and label."""
IMAGES = Path(__file__).parent.parent / "docs" / "images"
FIRST_SEED = 50_000
TRIED = 40
"""Pictures of each kind that are predicted."""
COLUMNS = 7


def cases(classifier: Classifier, kind: str, right: bool) -> list[Case]:
    """Return one correctly predicted picture of a kind, or all wrongly predicted ones."""
    found: list[Case] = []
    for seed in range(FIRST_SEED, FIRST_SEED + TRIED):
        picture, label = trial(seed, kind)
        prediction = classifier.predict(picture)
        if (prediction.label == label) == right:
            found.append((kind, picture, prediction, label))
            if right:
                break
    return found


def sheet(drawn: list[Case], path: Path) -> Path:
    """Draw the cases in rows, each with its kind, prediction and label."""
    rows = -(-len(drawn) // COLUMNS)
    figure = Figure(figsize=(1.55 * COLUMNS, 1.95 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, (kind, picture, prediction, label) in zip(axes, drawn, strict=False):
        axis.imshow(picture)
        predicted = prediction.label or "rejected"
        axis.set_title(
            f"{kind}\n{predicted}" + ("" if predicted == label else f", is {label}"),
            fontsize=8,
            color=CORRECT if predicted == label else WRONG,
        )
    return save_figure(figure, path, dpi=80)


def main() -> None:
    """Predict, draw, and print the paths of the files."""
    runtime.configure()
    classifier = Classifier.load(sys.argv[1])
    for right, name in ((True, "right"), (False, "wrong")):
        found: list[Case] = [case for kind in KINDS for case in cases(classifier, kind, right)]
        print(sheet(list(islice(found, 4 * COLUMNS)), IMAGES / f"pictures-{name}.png"))


if __name__ == "__main__":
    main()
