"""The tables of the server's measurements."""

from statistics import median
from typing import Any

from benchmarks.conditions import load_result

NAMES = {"penstroke": "Penstroke", "fastapi": "plain FastAPI handler", "litserve": "LitServe, batches of up to 16"}


def serving() -> str:
    """Return the table of rates and latencies, and that of the open loop."""
    kept = load_result("serving")
    found = kept["conditions"]
    rows = ["| server | connections | answered per second | p50 | p99 | 503 |", "|---|---|---|---|---|---|"]
    for peer, by_connections in kept["closed_loop"].items():
        for count, row in by_connections.items():
            pairs = zip(row["rate"]["values"], row["errors"]["values"], strict=True)
            answered = [rate * (1 - errors) for rate, errors in pairs]
            rows.append(
                f"| {NAMES[peer]} | {count} | {median(answered):.0f} ({min(answered):.0f} to {max(answered):.0f}) | "
                f"{row['p50']['median']:.1f} ms | {row['p99']['median']:.1f} ms | {row['errors']['max']:.1%} |"
            )
    rows += ["", "| open loop, Penstroke | status | requests | p50 | p99 |", "|---|---|---|---|---|"]
    for name, key in (
        ("70 % of saturation", "steady_70"),
        ("3 times saturation", "overload_3"),
        ("30 % of saturation, 2 s after that", "after_overload"),
    ):
        rows += [_open_loop(name, status, row) for status, row in kept[key].items()]
    starts = ", ".join(f"{NAMES[peer]} {row['median']:.2f} s" for peer, row in kept["start_seconds"].items())
    form = "Short form, beside other programs on the machine: see the spread. " if kept["short"] else ""
    repeats = next(iter(kept["closed_loop"]["penstroke"].values()))["rate"]["n"]
    return "\n".join(
        [
            *rows,
            "",
            f"{form}Latencies include answers of 503. Medians of {repeats} measurements of {kept['seconds']} s, "
            "in turn; start to the first answer: "
            f"{starts}; "
            f"{found['cores']} cores of {found['processor']}, shared with the load, Python {found['python']}.",
        ]
    )


def _open_loop(name: str, status: str, row: dict[str, Any]) -> str:
    return f"| {name} | {status} | {row['n']} | {row['p50']:.1f} ms | {row['p99']:.1f} ms |"
