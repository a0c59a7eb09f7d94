"""The table of the most accurate models, from the results of ``benchmarks.accuracy``."""

import statistics
from typing import Any

from benchmarks.conditions import RESULTS, described, load_result

RECIPES = ("best", "distilled")


def best() -> str:
    """Return the accuracies of the recipes that are measured, and of committees of their seeds."""
    measured = [name for name in RECIPES if (RESULTS / f"accuracy-{name}.json").is_file()]
    if not measured:
        return "Not measured on the test set yet."
    rows = []
    for name in measured:
        found = load_result(f"accuracy-{name}")
        seconds = statistics.median(run["train_seconds"] for run in found["runs"])
        rows.append(_row(f"`{name}`", [_scores(run["tests"][-1], run) for run in found["runs"]], f"{seconds / 60:.0f}"))
        groups = found.get("committees", [])
        if groups:
            scores = [_scores(group["test"], group) for group in groups]
            rows.append(_row(f"committees of {len(groups[0]['seeds'])}, `{name}`", scores, ""))
    conditions = load_result(f"accuracy-{measured[0]}")["conditions"]
    return "\n".join(
        [
            "| model | test accuracy, %: mean | sd | lowest | highest | without disputed labels, % | n | minutes |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"MNIST's 10,000 test images, opened once after all trainings; {described(conditions)}.",
        ]
    )


def _scores(test: dict[str, Any], row: dict[str, Any]) -> tuple[float, float]:
    """Return accuracy and accuracy without disputed labels, both in per cent."""
    return 100 * test["accuracy"], 100 * row["without_disputed"]["accuracy"]


def _row(name: str, scores: list[tuple[float, float]], minutes: str) -> str:
    plain, undisputed = ([score[number] for score in scores] for number in (0, 1))
    deviation = f"{statistics.stdev(plain):.3f}" if len(plain) > 1 else ""
    return (
        f"| {name} | {statistics.mean(plain):.3f} | {deviation} | {min(plain):.2f} | {max(plain):.2f} | "
        f"{statistics.mean(undisputed):.3f} | {len(plain)} | {minutes} |"
    )
