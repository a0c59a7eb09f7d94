"""The tables of ``docs/pictures.md``, made from the figures that ``benchmarks.pictures`` saves."""

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
    "outliers rejected": ("outliers (no digit) of 8 kinds: rejected", "95 %"),
}
"""Rows that are a fraction of pictures: description, and the target fraction."""
NOT_MEASURED = "Not measured yet: run `python -m benchmarks.pictures MODEL`."


def _rows() -> dict[str, Any]:
    saved = RESULTS / "pictures.json"
    rows: dict[str, Any] = json.loads(saved.read_text(encoding="utf-8"))["rows"] if saved.exists() else {}
    return rows


def pictures() -> str:
    """Return the table of all measured rows."""
    rows = _rows()
    lines = ["| pictures | aim | reached | n | model |", "|---|---|---|---|---|"]
    for name, (description, aim) in SHARES.items():
        if row := rows.get(name):
            lines.append(_line(description, f"≥ {aim}", _percent(row), row["n"], row))
    if row := rows.get("digits rejected"):
        rejected = row["rejected"]
        lines.append(_line("MNIST's test digits: rejected", "≤ 1 %", _percent(rejected), rejected["n"], row))
    if row := rows.get("digits prepared"):
        change = row["prepared"]["right"] - row["as they are"]["right"]
        lines.append(
            _line(
                "MNIST's test digits prepared: change of correct", "within 2", f"{change:+d}", row["prepared"]["n"], row
            )
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
    """Return the table of single digits by kind of paper, compared with pictures that are merely resized."""
    row = _rows().get("single digits")
    if not row:
        return NOT_MEASURED
    lines = ["| kind of picture | prepared | merely resized | n |", "|---|---|---|---|"]
    for name, kind in {**row["kinds"], "**all**": row}.items():
        lines.append(f"| {name} | {_percent(kind)} | {_percent(kind['resized'])} | {kind['n']} |")
    return "\n".join(lines)


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['share']:.1f} %"


def _line(description: str, aim: str, reached: str, n: int, row: dict[str, Any]) -> str:
    return f"| {description} | {aim} | **{reached}** | {n:,} | {row['model']} |"
