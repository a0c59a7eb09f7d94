"""The tables of recipe ``sprint`` and of the exercise in other libraries, from the saved figures."""

from typing import Any

from benchmarks.conditions import described, load_result

TITLES = {
    "penstroke": "Penstroke, `book`",
    "chapter": "as the chapter does it",
    "pytorch": "PyTorch, tensors in memory",
    "lightning": "Lightning, tensors in memory",
    "jax": "JAX with Flax and Optax",
    "keras": "Keras on JAX",
}
"""Names of the programs of ``benchmarks.book_peers`` in the table."""


def sprint() -> str:
    """Return the accuracy and the times of recipe ``sprint``."""
    found = load_result("sprint")
    accuracy, times = found["accuracy"], found["times_faster"]
    low, high = accuracy["mean_ci95"]
    rows = [
        ("training, in one process", _range(found["train_seconds"])),
        ("training, each in a new process", _range(found["process_train_seconds"])),
        ("the whole command `penstroke train sprint`", _range(found["command_seconds"])),
        ("training with the record's code, each in a new process", _range(found["record_seconds"])),
        ("times faster than the record's code, in pairs", f"**{times['median']:.1f}** {_limits(times, 1)}"),
        (
            "accuracy on the 10,000 test images",
            f"mean **{100 * accuracy['mean']:.3f} %** (95 % interval {100 * low:.3f} to {100 * high:.3f}), standard "
            f"deviation {100 * accuracy['sd']:.3f}, lowest {100 * accuracy['min']:.2f}, highest "
            f"{100 * accuracy['max']:.2f}, n = {accuracy['n']}",
        ),
        ("mean accuracy with the record's code", f"{100 * found['record_accuracy']:.2f} %"),
    ]
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| measured | |", "|---|---|", *lines, "", f"{described(found['conditions'])}."])


def book_peers() -> str:
    """Return the table of one epoch of the exercise in Penstroke and in other libraries."""
    found = load_result("book-peers")
    rate = found["matmul_gflops"]["median"]
    rows = [
        "| program | one epoch and its test | Penstroke is faster by | accuracy, % | share of a matrix product |",
        "|---|---|---|---|---|",
    ]
    versions: dict[str, str] = {}
    for name, title in TITLES.items():
        if name not in found["programs"]:
            continue
        row = found["programs"][name]
        versions |= row["versions"]
        times = "" if name == "penstroke" else f"**{row['times_faster']['median']:.2f}** {_limits(row['times_faster'])}"
        share = f"{100 * row['gflops'] / rate:.0f} %" if "gflops" in row else ""
        rows.append(f"| {title} | {_range(row['seconds'])} | {times} | {100 * row['accuracy']:.2f} | {share} |")
    others = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()) if name != "torch")
    return "\n".join(
        [*rows, "", f"{described(found['conditions'])}, {others}; a matrix product reaches {rate:.0f} GFLOP/s."]
    )


def _range(figures: dict[str, Any]) -> str:
    return f"{figures['median']:.2f} s ({figures['min']:.2f} to {figures['max']:.2f}, n = {figures['n']})"


def _limits(figures: dict[str, Any], digits: int = 2) -> str:
    return f"({figures['min']:.{digits}f} to {figures['max']:.{digits}f})"
