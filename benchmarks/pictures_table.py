"""The tables of ``docs/pictures.md``, made from what ``benchmarks.pictures`` keeps."""

import json
from typing import Any

from benchmarks.conditions import RESULTS

SHARES = {
    "single digits": ("generated single digits, all kinds of paper", "98.5 %"),
    "scikit-learn digits": ("scikit-learn's digits of 8 x 8 pixels, enlarged", "97 %"),
    "browser digits": ("digits drawn in a browser with a mouse path", "97 %"),
    "photographs": ("photographs of pen on paper", "all"),
    "lines": ("generated lines of 5 digits, none touching: whole lines", "96 %"),
    "lines touching": ("the same, one pair touching: whole lines", "80 %"),
    "non-digits refused": ("non-digits of 8 kinds: refused", "95 %"),
}
"""Rows that are a share of pictures: what they show, and the least share that is aimed at."""
NOT_MEASURED = "Not measured yet: `python -m benchmarks.pictures MODEL` does it."


def _rows() -> dict[str, Any]:
    kept = RESULTS / "pictures.json"
    rows: dict[str, Any] = json.loads(kept.read_text())["rows"] if kept.exists() else {}
    return rows


def pictures() -> str:
    """Return the table of all rows that were measured."""
    rows = _rows()
    lines = ["| pictures | aim | reached | n | model |", "|---|---|---|---|---|"]
    for name, (says, aim) in SHARES.items():
        if row := rows.get(name):
            lines.append(_line(says, f"≥ {aim}", _percent(row), row["n"], row))
    if row := rows.get("digits refused"):
        refused = row["refused"]
        lines.append(_line("MNIST's test digits: refused", "≤ 1 %", _percent(refused), refused["n"], row))
    if row := rows.get("digits prepared"):
        change = row["prepared"]["right"] - row["as they are"]["right"]
        lines.append(
            _line("MNIST's test digits prepared: more right", "within 2", f"{change:+d}", row["prepared"]["n"], row)
        )
    if row := rows.get("calibration"):
        lines.append(_line("calibration error", "≤ 0.5 %", f"{100 * row['error']:.2f} %", row["n"], row))
    for name, limit in {"12 megapixels": 1.0, "500 pixels": 0.1}.items():
        if row := rows.get("seconds"):
            taken = row[name]
            reached = f"{taken['median']:.2f} s ({taken['min']:.2f} to {taken['max']:.2f})"
            lines.append(_line(f"a photograph of {name}, one core", f"≤ {limit} s", reached, taken["n"], row))
    return "\n".join(lines) if rows else NOT_MEASURED


def papers() -> str:
    """Return the table of single digits by kind of paper, beside pictures that are merely resized."""
    row = _rows().get("single digits")
    if not row:
        return NOT_MEASURED
    lines = ["| kind of picture | prepared | merely resized | n |", "|---|---|---|---|"]
    for name, kind in {**row["kinds"], "**all**": row}.items():
        lines.append(f"| {name} | {_percent(kind)} | {_percent(kind['resized'])} | {kind['n']} |")
    return "\n".join(lines)


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['share']:.1f} %"


def _line(says: str, aim: str, reached: str, n: int, row: dict[str, Any]) -> str:
    return f"| {says} | {aim} | **{reached}** | {n:,} | {row['model']} |"
