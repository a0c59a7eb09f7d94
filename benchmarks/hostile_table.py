"""The table of what hostile input came to, made from the campaigns' kept figures."""

from benchmarks.conditions import result


def hostile() -> str:
    """Return the table of the attacks on downloads, data, models and pictures."""
    fetch, fuzz, models, pictures = (result(f"reliability-{name}") for name in ("fetch", "fuzz", "models", "pictures"))
    race, targets, mutated = fetch["race"], fuzz["targets"], models["mutations"]
    slowest = max(attack["seconds"] for attack in fetch["attacks"].values())
    rows = [
        (
            f"{race['rounds']} fetches of a file by {race['processes']} processes at once, "
            f"the first killed in {race['killed']} of them",
            f"{len(race['wrong'])} wrong; the longest wait after a kill {race['longest_wait_s']:.1f} s",
        ),
        (f"a body cut after each of {fetch['cut']['tried']:,} bytes", f"{len(fetch['cut']['wrong'])} wrong"),
        (
            f"{len(fetch['attacks'])} servers that lie, stall or never end",
            f"all refused, the slowest after {slowest:.0f} s",
        ),
        *(
            (
                f"{found['inputs']:,} mutated {what}",
                f"{len(found['wrong'])} wrong; the slowest took {1000 * found['slowest_s']:.0f} ms",
            )
            for what, found in (
                ("IDX and gzip files", targets["idx"]),
                ("files of run folders", targets["run"]),
                ("headers of model files", targets["model"]),
            )
        ),
        (
            f"{models['kinds']} kinds of hostile models, runs and state dicts",
            f"{models['wrong']} wrong: nothing executed, nothing opened outside; "
            f"the slowest took {models['slowest_s']:.2f} s",
        ),
        (
            f"{mutated['files']:,} mutated model files",
            f"{len(mutated['wrong'])} wrong; {mutated['loaded']:,} still load",
        ),
        (
            f"{pictures['files']:,} mutated pictures of {len(pictures['seeds'])} kinds",
            f"{len(pictures['wrong'])} wrong; the slowest took {pictures['slowest_s']:.1f} s",
        ),
    ]
    lines = [f"| {trial} | {found} |" for trial, found in rows]
    where = fuzz["conditions"]
    return "\n".join(
        [
            "| trial | found |",
            "|---|---|",
            *lines,
            "",
            f"{where['cores']} cores of {where['processor']}, one thread, beside other work; Python {where['python']}, "
            f"PyTorch {where['packages']['torch']}.",
        ]
    )
