"""The table of corrections in ``docs/serving.md``, made from the figures that ``benchmarks.corrections`` saves."""

from collections.abc import Sequence
from typing import Any

from benchmarks.conditions import RESULTS, load_result
from penstroke.data.corrections import MAX_REPEATS


def corrections() -> str:
    """Return the table of accuracies with corrections of an unusual handwriting."""
    if not (RESULTS / "corrections.json").exists():
        return "Not measured yet: run `python -m benchmarks.corrections`."
    found = load_result("corrections")
    rows: list[dict[str, Any]] = found["rows"]
    names = list(dict.fromkeys(row["handwriting"] for row in rows))
    lines = [
        f"| corrections | of all training images | {' | '.join(names)} | MNIST, held out |",
        f"|---|---|{'---|' * len(names)}---|",
    ]
    cases = list(dict.fromkeys((row["corrections"], row["share"]) for row in rows))
    for count, share in cases:
        chosen = [row for row in rows if (row["corrections"], row["share"]) == (count, share)]
        own = [_percent([row["own"] for row in chosen if row["handwriting"] == name]) for name in names]
        text = "" if not count else "each once" if not share else f"{share:.0%}"
        if count and share and chosen[0]["repeats"] == MAX_REPEATS:
            text = f"each {MAX_REPEATS} times"
        lines.append(f"| {count} | {text} | {' | '.join(own)} | {_percent([row['mnist'] for row in chosen])} |")
    where, seeds = found["conditions"], len({row["seed"] for row in rows})
    started = f" from `{found['init']}`" if found["init"] else ""
    return "\n".join(
        [
            *lines,
            "",
            f"Accuracy in per cent: mean of {seeds} seeds (lowest to highest), recipe `{found['recipe']}`{started}, on "
            f"{found['test_images']:,} other digits of the handwriting, and on 6,000 images of MNIST's training set "
            f"that were not trained on. {where['cores']} cores of {where['processor']}, {where['threads']} thread(s), "
            f"PyTorch {where['packages']['torch']}.",
        ]
    )


def _percent(values: Sequence[float]) -> str:
    mean = 100 * sum(values) / len(values)
    return f"{mean:.1f} ({100 * min(values):.1f} to {100 * max(values):.1f})"
