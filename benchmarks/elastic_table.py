"""The table of ``elastic.json``: kills of processes and machines, and other numbers of processes."""

import statistics

from benchmarks.conditions import load_result


def elastic() -> str:
    """Return the table of the kills, and the figures of other numbers of processes."""
    figures = load_result("elastic")
    where, kills, sizes = figures["conditions"], figures["results"]["kills"], figures["results"]["sizes"]
    rows = ["| killed | times | seconds to the next new checkpoint: median | largest |", "|---|---|---|---|"]
    for kind, seconds in kills["seconds until a new checkpoint"].items():
        rows.append(f"| {kind} | {seconds['n']} | {seconds['median']:.1f} | {seconds['max']:.1f} |")
    others = sizes["correct images of other seeds"]
    equal = "the same bits as" if kills["equal model files"] else "another model than"
    first = (
        f"{sum(kills['kills'].values())} kills, {kills['resumptions']} resumptions, {kills['intervals lost']} "
        f"intervals lost beyond the latest checkpoint, {equal} without the kills."
    )
    second = (
        f"A training in {_listed(sizes['processes'])} processes, killed in between, used "
        f"{sizes['images not used once']} of {sizes['images of each epoch'][0]:,} images in an epoch not exactly once, "
        f"and was right on {sizes['correct images']} of 1,000 test images; {len(others)} trainings with other seeds in "
        f"one process were right on {statistics.mean(others):.0f} ({min(others)} to {max(others)})."
    )
    hardware = f"{where['cores']} cores of {where['processor']}, PyTorch {where['packages']['torch']}."
    return "\n".join([*rows, "", f"{first} {second} {hardware}"])


def _listed(sizes: list[int]) -> str:
    return ", then ".join(map(str, sizes))
