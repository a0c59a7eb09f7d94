"""The tables of docs/claims.md and docs/audit.md, made from the saved figures."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.conditions import load_result

BASELINES = {
    "kernels": {"kernel_sizes": "3x3"},
    "stacked": {"kernel_sizes": "3x5"},
    "dropout": {"dropout": "0.1x0.25"},
    "normalisation": {"mean": "0.1302"},
    "pooling": {"pool": "max"},
    "strides": {"strides": "1x1"},
    "batch-size": {"batch_size": "32"},
    "channels": {"channels": "16x32"},
    "epochs": {"epochs": "2"},
    "optimizers": {},
}
"""The setting that the others are compared with, usually the chapter's; for optimizers, Adadelta, the first row."""


def claim(name: str) -> Callable[[], str]:
    """Return the function that makes the table of an experiment."""
    return lambda: _table(name, load_result("claims")["experiments"][name])


def _table(name: str, found: dict[str, Any]) -> str:
    fields = list(found["rows"][0])
    fields = fields[: fields.index("seeds")]
    varied = [field for field in fields if len({row[field] for row in found["rows"]}) > 1] or fields[:1]
    base = next(row for row in found["rows"] if all(row[key] == value for key, value in BASELINES[name].items()))
    base_runs = _accuracies(found, base, fields)
    header = [_title(field) for field in varied]
    header += ["accuracy, %", "sd", "difference, points (95 % interval)", "seconds", "parameters", "MFLOP"]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for row in found["rows"]:
        cells = [str(row[field]) for field in varied]
        if row["accuracy"] is None:
            cells += ["diverged", "", "", "", f"{row['parameters']:,}", f"{row['training_flops'] / 1e6:.1f}"]
        else:
            cells += [f"{100 * row['accuracy']:.2f}", f"{100 * row['sd']:.2f}"]
            cells += ["" if row is base else _difference(_accuracies(found, row, fields), base_runs)]
            cells += [f"{row['seconds']:.1f}", f"{row['parameters']:,}", f"{row['training_flops'] / 1e6:.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _title(field: str) -> str:
    return field.replace("_", " ")


def _accuracies(found: dict[str, Any], row: dict[str, Any], fields: list[str]) -> dict[int, float]:
    """Return the accuracy of each seed of a setting whose training did not diverge."""
    return {
        run["seed"]: run["test_accuracy"]
        for run in found["runs"]
        if all(run.get(field) == row[field] for field in fields) and run.get("test_accuracy") is not None
    }


def _difference(ours: dict[int, float], base: dict[int, float]) -> str:
    """Return the mean difference, paired by seed, with Student's interval; bold if it excludes 0."""
    seeds = sorted(ours.keys() & base.keys())
    values = 100 * np.array([ours[seed] - base[seed] for seed in seeds])
    if len(values) < 2:
        return "undefined"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    low, high = values.mean() - half, values.mean() + half
    text = f"{values.mean():+.2f} ({low:+.2f} to {high:+.2f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def gradient_noise() -> str:
    """Return the table of the noise of gradients."""
    rows = load_result("claims")["experiments"]["gradient-noise"]["rows"]
    return "\n".join(
        [
            f"| batch size | {' | '.join(str(row['batch_size']) for row in rows)} |",
            f"|---|{'---|' * len(rows)}",
            f"| relative deviation | {' | '.join(format(row['relative_noise'], '.2f') for row in rows)} |",
        ]
    )


def learning_rates() -> str:
    """Return the table of the accuracies on validation images by learning rate."""
    lines = ["| optimizer | learning rate: accuracy on validation images, % |", "|---|---|"]
    for kind, found in load_result("claims")["experiments"]["optimizers"]["validation"].items():
        measured = [(row["optimizer:lr"].split(":")[1], row["accuracy"]) for row in _named(found["rows"])]
        best = max(accuracy or 0 for _, accuracy in measured)
        cells = [
            f"{rate}: diverged"
            if accuracy is None
            else f"{rate}: {'**' * (accuracy == best)}{100 * accuracy:.2f}{'**' * (accuracy == best)}"
            for rate, accuracy in measured
        ]
        lines.append(f"| `{kind}` | {'; '.join(cells)} |")
    return "\n".join(lines)


def _named(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with optimizer and learning rate under one name."""
    return [row | {"optimizer:lr": f"{row['optimizer']}:{row['lr']}"} for row in rows]


def claims_conditions() -> str:
    """Return the conditions of the experiments."""
    result = load_result("claims")
    found = result["conditions"]
    return (
        f"{result['images']:,} training images, MNIST's 10,000 test images, one thread per training on "
        f"{found['cores']} cores of {found['processor']}, Python {found['python']}, PyTorch "
        f"{found['packages']['torch']}. Seconds are those of the training steps."
    )


def audit() -> str:
    """Return the figures of the audit of MNIST."""
    found = load_result("audit")
    ranks = "; ".join(
        f"{index}: {rank if rank is not None else 'not listed'}" for index, rank in found["ranks_of_disputed"].items()
    )
    conditions = found["conditions"]
    return "\n".join(
        [
            f"- {found['candidates']} candidates among {found['images']:,} images, {found['candidates_in_test']} of "
            "them in the test set.",
            f"- **{found['among_first_60']} of the 15 labels are among the first 60 candidates of the test set.** "
            f"Ranks by index: {ranks}.",
            f"- {found['exact_duplicates']} exact duplicates, {found['near_duplicates']} near duplicates, "
            f"{found['blank']} blank images.",
            f"- {found['seconds']:.0f} s on {conditions['cores']} cores of {conditions['processor']}.",
        ]
    )
