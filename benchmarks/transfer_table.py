"""The table of ``docs/transfer.md``, made from the figures that ``benchmarks.transfer`` saves."""

from typing import Any

from benchmarks.conditions import RESULTS, described, load_result

NOT_MEASURED = "Not measured yet: run `python -m benchmarks.transfer`."


def transfer() -> str:
    """Return the table of accuracies with few digits of other sources."""
    if not (RESULTS / "transfer.json").exists():
        return NOT_MEASURED
    found = load_result("transfer")
    lines = [
        "| digits | per class | from scratch | from `ready` | gain, points | `ready` as it is |",
        "|---|---|---|---|---|---|",
    ]
    for name, source in found["sources"].items():
        for row in source["rows"]:
            gain = row["gain"]
            lines.append(
                f"| {name}, {source['test_images']:,} test digits | {row['per_class']} | {_percent(row['scratch'])} | "
                f"**{_percent(row['ready'])}** | {100 * gain['mean']:+.2f}{_half(gain)} | "
                f"{_percent(source['ready_as_it_is'])} |"
            )
    return "\n".join(
        [
            *lines,
            "",
            f"Test accuracy in per cent: mean of {found['seeds']} seeds and 95 % interval of the mean; recipe `robust` "
            f"without outliers, {found['steps']} steps of {found['batch_size']} images. "
            f"{described(found['conditions'])}.",
        ]
    )


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['mean']:.2f}{_half(row)}"


def _half(row: dict[str, Any]) -> str:
    return "" if row["half_width"] is None else f" ± {100 * row['half_width']:.2f}"
