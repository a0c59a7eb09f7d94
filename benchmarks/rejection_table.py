"""The table of ``docs/rejection.md``, made from the figures that ``benchmarks.rejection`` saves."""

from typing import Any

from benchmarks.conditions import RESULTS, load_result

NOT_MEASURED = "Not measured yet: run `python -m benchmarks.rejection FOLDER`."
SCORES = ("highest probability", "entropy", "margin", "energy", "entropy minus highest probability")


def rejection() -> str:
    """Return the table of the areas under the ROC curve of the scores."""
    if not (RESULTS / "rejection.json").exists():
        return NOT_MEASURED
    found = load_result("rejection")
    lines = [f"| trained on | accuracy | {' | '.join(SCORES)} |", "|---|---|" + "---|" * len(SCORES)]
    for way, row in found["rows"].items():
        cells = " | ".join(_cell(row[score], 3) for score in SCORES)
        lines.append(f"| {way} | {100 * row['accuracy']['mean']:.1f} % | {cells} |")
    where = found["conditions"]
    return "\n".join(
        [
            *lines,
            "",
            f"Area under the ROC curve, mean of {found['seeds']} seeds and 95 % interval of the mean: "
            f"{found['classes'] - found['unknown']} classes of `{found['data']}` against 2 others, drawn anew for each "
            f"seed; recipe `{found['recipe']['name']}`, {found['recipe']['epochs']} epochs; Python {where['python']}, "
            f"PyTorch {where['packages']['torch']}.",
        ]
    )


def _cell(row: dict[str, Any], digits: int) -> str:
    half = "" if row["half_width"] is None else f" ± {row['half_width']:.{digits}f}"
    return f"{row['mean']:.{digits}f}{half}"
