"""The tables of ``docs/ready.md``, made from the figures that ``benchmarks.ready`` saves."""

from typing import Any

from benchmarks.conditions import load_result


def ready() -> str:
    """Return the table of answers on digits and on pictures without a digit."""
    found = load_result("ready")
    rows = ["| pictures | n | answers right | answers wrong | abstained |", "|---|---|---|---|---|"]
    rows += [_digits(name, row) for name, row in found["digits"].items()]
    for kind, row in found["outliers"].items():
        accepted = row["n"] - row["rejected"]
        rows.append(f"| no digit: {kind} | {row['n']:,} | | {_share(accepted, row['n'])} | {row['rejected']:,} |")
    used = found["conditions"]
    return "\n".join(
        [
            *rows,
            "",
            f"Expected calibration error on MNIST's test set: {100 * found['calibration_error']:.2f} %. Measured with "
            f"onnxruntime on {used['processor']}, Python {used['python']}.",
        ]
    )


def ready_files() -> str:
    """Return the table of the files with their hashes."""
    rows = ["| file | bytes | SHA-256 |", "|---|---|---|"]
    for name, file in load_result("ready")["files"].items():
        rows.append(f"| `{name}` | {file['bytes']:,} | `{file['sha256']}` |")
    return "\n".join(rows)


def _digits(name: str, row: dict[str, Any]) -> str:
    right = row["n"] - row["wrong"] - row["abstained"]
    return (
        f"| {name} | {row['n']:,} | **{_share(right, row['n'])}** | {_share(row['wrong'], row['n'])} | "
        f"{row['abstained']:,} |"
    )


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.2f} %)"
