"""The table of ``distributed.json``."""

from benchmarks.conditions import RESULTS, load_result

MISSING = "Not measured yet: run `python -m benchmarks.distributed`."


def distributed() -> str:
    """Return the table of several processes against one."""
    if not (RESULTS / "distributed.json").exists():
        return MISSING
    figures = load_result("distributed")
    results, found = dict(figures["results"]), figures["conditions"]
    count = results.pop("processes")
    rows = [
        f"| recipe | one process: seconds of an epoch | {count} processes | times faster (range) | weights differ by | "
        "test images |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        one, several, faster = (row[key] for key in ("seconds of one", "seconds of several", "times faster"))
        spread = f"{faster['min']:.2f} to {faster['max']:.2f}, n = {faster['n']}"
        rows.append(
            f"| {name} | {one['median']:.2f} | {several['median']:.2f} | **{faster['median']:.2f}** ({spread}) | "
            f"{row['relative difference of weights']:.0e} | {row['difference of correct images']:+d} |"
        )
    equal = all(row["repeats have equal files"] for row in results.values())
    text = (
        "*Weights differ by*: largest relative difference of the norm of a tensor; *test images*: difference of the "
        f"number that is correct. Repeats have {'equal' if equal else 'different'} model files. "
        f"{found['cores']} cores of {found['processor']}, PyTorch {found['packages']['torch']}."
    )
    return "\n".join([*rows, "", text])
