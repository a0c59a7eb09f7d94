"""The tables of ``distributed.json`` and ``hosts.json``."""

import numpy as np

from benchmarks.conditions import load_result
from benchmarks.hosts import SHORT_MESSAGES, STEPS
from benchmarks.steps import PARTS


def hosts() -> str:
    """Return the table of two hosts, and of the model for more."""
    figures = load_result("hosts")
    found, between = figures["conditions"], figures["messages"]["two hosts"]["reduce"]
    latency = between["4"] / 2
    largest = max(map(int, between))
    bandwidth = largest / (between[str(largest)] - 2 * latency)
    rows = [
        "| recipe | one process | two, one host | two hosts | two hosts, by the model | 8 | 64 | 512 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case, row in figures["trainings"].items():
        one, near, far = (1e3 * row[layout]["median"] / STEPS[case] for layout in ("1x1", "1x2", "2x1"))
        gradients = 4 * figures["parameters"][case]
        close = figures["messages"]["one host"]
        short = SHORT_MESSAGES.get(case, 0)
        exchanged = 1e3 * (_nearest(close["exchange"], gradients) + short * close["reduce"]["4"])
        divided = max(0.0, 2 * (one - (near - exchanged)))
        two, *more = (
            one - divided + divided / count + 1e3 * _message_seconds(2 + short, count, gradients, latency, bandwidth)
            for count in (2, 8, 64, 512)
        )
        texts = [f"{step:.1f} ({one / step:.1f} times)" for step in more]
        rows.append(f"| {case} | {one:.1f} | {near:.1f} | {far:.1f} | {two:.1f} | {' | '.join(texts)} |")
    cut, count = figures["cut"], row["1x1"]["n"]
    repeats = f"Medians of {count} measurements" if count > 1 else "One measurement each"
    text = (
        f"Milliseconds of a step, and how many times faster than one process. Network: 1 Gbit/s; an "
        f"all-reduce between the hosts takes {1e3 * between['4']:.2f} ms for 4 bytes and "
        f"{1e3 * between[str(largest)]:.0f} ms for {largest >> 20} MiB. With the cable cut for "
        f"{figures['outage']:.0f} s, the training was {cut['state']} after {cut['resumptions']} restarts, with "
        f"{'the same' if cut['equal'] else 'other'} weights. {repeats}; {found['cores']} cores of "
        f"{found['processor']}, PyTorch {found['packages']['torch']}."
    )
    return "\n".join([*rows, "", text])


def _message_seconds(rounds: int, count: int, gradients: int, latency: float, bandwidth: float) -> float:
    """Return the seconds of the messages of a step, which go around a ring of ``count`` processes in some rounds."""
    return rounds * (count - 1) * latency + 2 * (count - 1) / count * gradients / bandwidth


def _nearest(seconds: dict[str, float], size: int) -> float:
    """Return the seconds of a message, interpolated linearly between the measured sizes."""
    return float(np.interp(size, list(map(int, seconds)), list(seconds.values())))


def steps() -> str:
    """Return the table of the parts of a step in one process and in several."""
    results = dict(load_result("distributed")["results"])
    count = str(results.pop("processes"))
    rows = [
        "| recipe | processes | batch | gradients | message | optimizers | step | times faster | without message |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        one, several = (row["parts of a step"][size]["wall"] for size in ("1", count))
        faster = one["step"] / several["step"], one["step"] / (several["step"] - several["message"])
        for size, times in (("1", one), (count, several)):
            texts = [f"{times[part]:.1f}" for part in (*PARTS, "step")]
            texts += [f"{value:.2f}" for value in faster] if size == count else ["", ""]
            rows.append(f"| {name} | {size} | {' | '.join(texts)} |")
    text = "Milliseconds of a step: medians of 50 steps, in the process of rank 0."
    return "\n".join([*rows, "", text])


def distributed() -> str:
    """Return the table of several processes against one."""
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
