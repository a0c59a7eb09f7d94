"""The tables of the most accurate models, and of the networks that were compared on validation images."""

import statistics
from typing import Any

from benchmarks.conditions import RESULTS, described, load_result

RECIPES = ("best", "distilled")


def best() -> str:
    """Return the accuracies of the recipes that are measured, and of committees of their seeds."""
    measured = [name for name in RECIPES if (RESULTS / f"accuracy-{name}.json").is_file()]
    if not measured:
        return "Not measured on the test set yet."
    rows = []
    for name in measured:
        found = load_result(f"accuracy-{name}")
        seconds = statistics.median(run["train_seconds"] for run in found["runs"])
        rows.append(_row(f"`{name}`", [_scores(run["tests"][-1], run) for run in found["runs"]], f"{seconds / 60:.0f}"))
        groups = found.get("committees", [])
        if groups:
            scores = [_scores(group["test"], group) for group in groups]
            rows.append(_row(f"committees of {len(groups[0]['seeds'])}, `{name}`", scores, ""))
    conditions = load_result(f"accuracy-{measured[0]}")["conditions"]
    return "\n".join(
        [
            "| model | test accuracy, %: mean | sd | lowest | highest | without disputed labels, % | n | minutes |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            f"MNIST's 10,000 test images, opened once after all trainings; {described(conditions)}.",
        ]
    )


def _scores(test: dict[str, Any], row: dict[str, Any]) -> tuple[float, float]:
    """Return accuracy and accuracy without disputed labels, both in per cent."""
    return 100 * test["accuracy"], 100 * row["without_disputed"]["accuracy"]


def _row(name: str, scores: list[tuple[float, float]], minutes: str) -> str:
    plain, undisputed = ([score[number] for score in scores] for number in (0, 1))
    deviation = f"{statistics.stdev(plain):.3f}" if len(plain) > 1 else ""
    return (
        f"| {name} | {statistics.mean(plain):.3f} | {deviation} | {min(plain):.2f} | {max(plain):.2f} | "
        f"{statistics.mean(undisputed):.3f} | {len(plain)} | {minutes} |"
    )


def search() -> str:
    """Return the comparison of networks and augmentations on validation images."""
    found = load_result("best-search")
    rows = [
        f"| {_network(row['recipe']['network'])} | {_augmentation(row)} | {row['recipe']['epochs']} | "
        f"{100 - row['errors'] / 100:.2f} | {row['loss']:.4f} | {row['cpu_seconds']:.0f} s |"
        for row in found["trainings"]
    ]
    pairs = found["shared_by_pairs"]
    return "\n".join(
        [
            "| network | augmentation | epochs | validation | loss | CPU |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Two of these networks make {min(pairs)} to {max(pairs)} errors in common "
            f"(mean {statistics.mean(pairs):.0f}), all of them {found['shared_by_all']}; "
            f"the mean of their probabilities makes {found['errors_of_mean']}. "
            f"Validation is 10,000 training images; {described(found['conditions'])}.",
        ]
    )


def _network(network: dict[str, Any]) -> str:
    """Return a network in words: that of ``best``, or kernels and channels."""
    if network["padding"]:
        return "`best`"
    sizes = [
        f"{channels}/2" if stride == 2 else str(channels)
        for channels, stride in zip(network["channels"], network["strides"], strict=True)
    ]
    kernel = network["kernel_sizes"][0]
    return f"{kernel}x{kernel}: {' '.join(sizes)}"


def _augmentation(row: dict[str, Any]) -> str:
    """Return the augmentation of a training in words."""
    parts = [f"warp {row['recipe']['warp']:g}"] if row["recipe"]["warp"] else []
    if row["rotation"]:
        parts.append(f"rotation {row['rotation']:.0f}°, shift {100 * row['shift']:.0f} %")
    return ", ".join(parts)
