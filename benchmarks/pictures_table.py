"""The tables of ``docs/pictures.md``, made from the figures that ``benchmarks.pictures`` saves."""

import json
from typing import Any

from scipy.stats import binomtest

from benchmarks.conditions import RESULTS, load_result

SHARES = {
    "single digits": ("generated single digits, all kinds of paper", "98.5 %"),
    "scikit-learn digits": ("scikit-learn's digits of 8 x 8 pixels, enlarged", "97.8 %"),
    "browser digits": ("digits drawn in a browser with a mouse path", "97 %"),
    "photographs": ("photographs of pen on paper", "all"),
    "lines": ("generated lines of 5 digits, none touching: whole lines", "97 %"),
    "lines touching": ("the same, one pair touching: whole lines", "82 %"),
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


def handwriting() -> str:
    """Return the table of digits, lines and pages of other origin, over several models."""
    figures = load_result("handwriting")
    lines = ["| pictures | target | mean (95 % interval) | the models | n |", "|---|---|---|---|---|"]
    for name, row in figures["rows"].items():
        lines.append(f"| {name} | ≥ {row['aim']:g} % | {_of_models(row['right'], row['n'])} | {row['n']:,} |")
    return "\n".join([*lines, "", f"Mean of {figures['models']} models of recipe `robust` with different seeds."])


def _of_models(rights: list[int], n: int) -> str:
    """Return two columns: the mean of several models with its interval, and their range."""
    each = f"{100 * min(rights) / n:.1f} to {100 * max(rights) / n:.1f}"
    return f"{_interval(sum(rights) / len(rights), n)} | {each}"


def _interval(right: float, n: int) -> str:
    """Return a fraction in per cent with its 95 % interval."""
    interval = binomtest(round(right), n).proportion_ci(method="wilson")
    return f"**{100 * right / n:.1f} %** ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def papers() -> str:
    """Return the table of single digits by kind of paper, compared with simple preparations."""
    row = _rows().get("single digits")
    if not row:
        return NOT_MEASURED
    lines = ["| kind of picture | prepared | Otsu, crop, fit, centre | merely resized | n |", "|---|---|---|---|---|"]
    for name, kind in {**row["kinds"], "**all**": row}.items():
        simple = f"{_percent(kind['otsu'])} | {_percent(kind['resized'])}"
        lines.append(f"| {name} | {_percent(kind)} | {simple} | {kind['n']} |")
    return "\n".join(lines)


def pages() -> str:
    """Return the table of the pages without digits on which none are found."""
    saved = RESULTS / "page-rejection.json"
    if not saved.exists():
        return NOT_MEASURED.replace("benchmarks.pictures", "benchmarks.page_rejection")
    figures = json.loads(saved.read_text(encoding="utf-8"))
    kinds, shipped = figures["kinds"], figures["scikit-image"]
    rows = [(name, row["none"], row["n"]) for name, row in kinds.items()]
    rows.append(("**all kinds**", sum(none for _, none, _ in rows), sum(n for _, _, n in rows)))
    rows.append(("pictures that scikit-image ships", sum(not count for count in shipped.values()), len(shipped)))
    lines = ["| pages | no digits are found | n |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {100 * none / n:.1f} % | {n} |" for name, none, n in rows)])


def turned() -> str:
    """Return the table of the pages that are turned."""
    saved = RESULTS / "turned-pages.json"
    if not saved.exists():
        return NOT_MEASURED.replace("benchmarks.pictures", "benchmarks.turned_pages")
    lines = ["| turned by | as good as upright | rejected | worse | n |", "|---|---|---|---|---|"]
    for turn, row in json.loads(saved.read_text(encoding="utf-8"))["turned"].items():
        lines.append(f"| {turn} degrees | {row['as good']} | {row['rejected']} | {row['worse']} | {row['n']} |")
    return "\n".join(lines)


def unseen() -> str:
    """Return the table of the pictures without a digit of kinds that no training image resembles."""
    halves = load_result("unseen-outliers")["rows"]
    lines = ["| trained on | pictures of other kinds | rejected | test digits rejected |", "|---|---|---|---|"]
    right = n = 0
    for name, row in halves.items():
        for kind, each in row["kinds"].items():
            lines.append(f"| {name} | {kind} | {_percent(each)} | {100 * row['digits rejected']['share']:.2f} % |")
            right, n = right + each["right"], n + each["n"]
    return "\n".join([*lines, f"| | **all**, n = {n:,} (95 % interval) | {_interval(right, n)} | |"])


def readers() -> str:
    """Return the table of digits, lines and forms that are read, compared with Tesseract."""
    saved = RESULTS / "page-readers.json"
    if not saved.exists():
        return NOT_MEASURED.replace("benchmarks.pictures", "benchmarks.page_readers")
    figures = json.loads(saved.read_text(encoding="utf-8"))
    lines = [
        "| pictures | all lines correct (95 % interval) | the models | lines correct | Tesseract | n |",
        "|---|---|---|---|---|---|",
    ]
    for kind, row in figures["rows"].items():
        found, n = row["penstroke"], row["penstroke"][0]["n"]
        reached = _of_models([count["right"] for count in found], n)
        by_line = 100 * sum(count["lines"]["right"] for count in found) / sum(count["lines"]["n"] for count in found)
        theirs = "".join(f"{100 * count['right'] / n:.1f} %" for count in row.get("tesseract", []))
        lines.append(f"| {kind} | {reached} | {by_line:.1f} % | {theirs} | {n:,} |")
    models = f"Mean of {figures['models']} models of recipe `robust` with different seeds, which read the same pictures"
    return "\n".join([*lines, "", f"{models}; Tesseract {figures['tesseract']}."])


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['share']:.1f} %"


def _line(description: str, aim: str, reached: str, n: int, row: dict[str, Any]) -> str:
    return f"| {description} | {aim} | **{reached}** | {n:,} | {row['model']} |"
