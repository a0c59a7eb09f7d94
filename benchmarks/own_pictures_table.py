"""The table of ``own-pictures.json``."""

import statistics
from typing import Any

from benchmarks.conditions import RESULTS, load_result

TEXTS = {
    "photographs": ("5,000 photographs of ten classes, 32x32", "`penstroke train --data FOLDER`"),
    "photographs-2m": ("the same", "`--budget 2m`"),
    "photographs-100": ("100 photographs of each class", "default"),
    "shapes": ("180 drawn shapes of three classes, 32 to 96 pixels", "default"),
    "digits": ("1,797 digits of scikit-learn, 8x8, five folds", "default; seconds for all five"),
}
"""The data and the command of each case."""
MISSING = "Not measured yet: run `python -m benchmarks.own_pictures`."


def own_pictures() -> str:
    """Return the table of accuracies on folders of pictures."""
    figures = _figures()
    measured = [name for name in TEXTS if name in figures]
    if not measured:
        return MISSING
    rows = ["| pictures | command | test accuracy: mean (range of seeds) | seconds |", "|---|---|---|---|"]
    rows += [_row(*TEXTS[name], figures[name]["result"]) for name in measured]
    if "mnist" in figures:
        rows += _mnist(figures["mnist"]["result"])
    found = figures[measured[0]]["conditions"]
    versions = f"Python {found['python']}, PyTorch {found['packages']['torch']}"
    text = f"Seconds of the whole command; {found['cores']} cores of {found['processor']}, {versions}."
    return "\n".join([*rows, "", text])


def _figures() -> dict[str, Any]:
    return load_result("own-pictures") if (RESULTS / "own-pictures.json").exists() else {}


def _row(pictures: str, command: str, rows: list[dict[str, Any]]) -> str:
    values = [100 * row["correct"] / row["total"] for row in rows]
    seconds = statistics.median(row["seconds"] for row in rows)
    spread = f"{min(values):.1f} to {max(values):.1f}, n = {len(values)}"
    return f"| {pictures} | {command} | **{statistics.fmean(values):.1f} %** ({spread}) | {seconds:.0f} |"


def _mnist(found: dict[str, Any]) -> list[str]:
    folder, itself = ([100 * row["correct"] / row["total"] for row in found[name]] for name in ("folder", "mnist"))
    first, *later = found["starts"]
    spread = f"{min(folder):.2f} to {max(folder):.2f}, n = {len(folder)}"
    return [
        f"| MNIST as 70,000 PNG files | `fast` | **{statistics.fmean(folder):.2f} %** ({spread}); MNIST itself "
        f"{statistics.fmean(itself):.2f} % | reading: {first:.0f} at first, then {statistics.median(later):.1f} |"
    ]


def peers() -> str:
    """Return the table of the beginner's networks of other libraries."""
    if "peers" not in (figures := _figures()):
        return MISSING
    found = figures["peers"]["result"]
    own = [100 * row["correct"] / row["total"] for row in found["penstroke"]]
    rows = ["| program | last epoch | best epoch on the test set | epochs | seconds |", "|---|---|---|---|---|"]
    first = found["penstroke"][0]
    accuracy = statistics.fmean(own)
    rows.append(f"| Penstroke, `--budget 2m` | **{accuracy:.1f} %** | | {first['epochs']} | {first['seconds']:.0f} |")
    for name, title in (("keras", "TensorFlow's tutorial, in Keras on JAX"), ("pytorch", "PyTorch's tutorial")):
        row = found[name][0]
        last, best = 100 * row["accuracy"], 100 * row["best"]
        rows.append(f"| {title} | {last:.1f} % | {best:.1f} % | {row['epochs']} | {row['seconds']:.0f} |")
    return "\n".join(rows)
