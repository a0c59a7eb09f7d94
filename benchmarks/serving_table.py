"""The tables of the server's measurements."""

from statistics import median
from typing import Any

from benchmarks.conditions import RESULTS, load_result

NAMES = {"penstroke": "Penstroke", "fastapi": "plain FastAPI handler", "litserve": "LitServe, batches of up to 16"}


def serving() -> str:
    """Return the table of rates and latencies, and that of the open loop."""
    kept = load_result("serving")
    rows = ["| server | connections | answered per second | p50 | p99 | 503 |", "|---|---|---|---|---|---|"]
    for peer, by_connections in kept["closed_loop"].items():
        for count, row in by_connections.items():
            pairs = zip(row["rate"]["values"], row["errors"]["values"], strict=True)
            answered = [rate * (1 - errors) for rate, errors in pairs]
            rows.append(
                f"| {NAMES[peer]} | {count} | {median(answered):.0f} ({min(answered):.0f} to {max(answered):.0f}) | "
                f"{row['p50']['median']:.1f} ms | {row['p99']['median']:.1f} ms | {row['errors']['max']:.1%} |"
            )
    load = load_result("serving-load")
    rows += ["", "| open loop, Penstroke | status | requests | p50 | p99 |", "|---|---|---|---|---|"]
    for name, key in (
        ("70 % of saturation", "steady_70"),
        ("3 times saturation", "overload_3"),
        ("30 % of saturation, 2 s after that", "after_overload"),
    ):
        rows += [_open_loop(name, status, row) for status, row in load[key].items()]
    starts = ", ".join(f"{NAMES[peer]} {row['median']:.2f} s" for peer, row in kept["start_seconds"].items())
    form = "Short form, beside other programs on the machine: see the spread. " if kept["short"] else ""
    repeats = next(iter(kept["closed_loop"]["penstroke"].values()))["rate"]["n"]
    return "\n".join(
        [
            *rows,
            "",
            f"{form}Latencies include answers of 503. Medians of {repeats} measurements of {kept['seconds']} s, "
            f"in turn; start to the first answer: {starts}; "
            f"{_where(kept)}.",
        ]
    )


def _open_loop(name: str, status: str, row: dict[str, Any]) -> str:
    return f"| {name} | {status} | {row['n']} | {row['p50']:.1f} ms | {row['p99']:.1f} ms |"


def backends() -> str:
    """Return the table of the server with onnxruntime and with PyTorch."""
    if not (RESULTS / "serving-backends.json").exists():
        return "Not measured yet: run `python -m benchmarks.serving_backends`."
    kept = load_result("serving-backends")
    rows = [
        "| computed by | ready after | memory of all processes, without mapped files "
        "| answered per second at 1 and 32 connections | p99 at 1 and 32 | processor time per answer at 32 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in kept["backends"].items():
        rate, p99 = ([row[f"{key} at {count}"]["median"] for count in (1, 32)] for key in ("rate", "p99"))
        rows.append(
            f"| {name} | {row['start_seconds']['median']:.2f} s | {row['memory_mb']['median']:.0f} MB | "
            f"{rate[0]:.0f}, {rate[1]:.0f} | {p99[0]:.1f} ms, {p99[1]:.1f} ms | "
            f"{row['cpu_ms at 32']['median']:.2f} ms |"
        )
    repeats = row["start_seconds"]["n"]
    form = "Short form, beside other programs on the machine. " if kept["short"] else ""
    return "\n".join(
        [*rows, "", f"{form}Medians of {repeats} measurements of {kept['seconds']} s, in turn; {_where(kept)}."]
    )


def clients() -> str:
    """Return the table of slow clients and of the memory in long use."""
    if not (RESULTS / "serving-clients.json").exists():
        return "Not measured yet: run `python -m benchmarks.serving_clients`."
    kept = load_result("serving-clients")
    slow, soak = kept["slow"], kept["soak"]
    before, during = (slow[name]["200"]["p99"] for name in ("before", "during"))
    others = sum(row["n"] for status, row in slow["during"].items() if status != "200")
    after = "not within 30 s" if slow["closed_after"] is None else f"within {slow['closed_after']:.1f} s"
    return "\n".join(
        [
            "| measurement | result |",
            "|---|---|",
            f"| {slow['clients']:,} slow clients: headers, bodies, no reading, nothing | closed {after} |",
            f"| {slow['rate']:.0f} requests per second beside them | {others} without answer 200; p99 {during:.1f} ms, "
            f"{before:.1f} ms without them |",
            f"| memory of all processes in {soak['seconds'] / 60:.0f} minutes of use, {soak['requests']:,} requests | "
            f"{soak['first_mb']:.0f} MB at first, {soak['last_mb']:.0f} MB at the end; "
            f"{soak['mb_per_100000']:+.2f} MB per 100,000 requests |",
            "",
            f"{_where(kept)}.",
        ]
    )


def _where(kept: dict[str, Any]) -> str:
    found = kept["conditions"]
    return f"{found['cores']} cores of {found['processor']}, shared with the load, Python {found['python']}"
