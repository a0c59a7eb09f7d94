"""The table of the campaigns with hostile input, made from their saved figures."""

from benchmarks.conditions import load_result


def hostile() -> str:
    """Return the table of hostile downloads, data, models and pictures."""
    fetch, fuzz = load_result("reliability-fetch"), load_result("reliability-fuzz")
    models, pictures = load_result("reliability-models"), load_result("reliability-pictures")
    race, targets, mutated = fetch["race"], fuzz["targets"], models["mutations"]
    slowest = max(attack["seconds"] for attack in fetch["attacks"].values())
    rows = [
        (
            f"{race['rounds']} downloads of one file by {race['processes']} processes at the same time, "
            f"the first process killed in {race['killed']} of them",
            f"{len(race['wrong'])} failures; longest wait after a kill {race['longest_wait_s']:.1f} s",
        ),
        (
            f"a response body cut after each of {fetch['cut']['tried']:,} bytes",
            f"{len(fetch['cut']['wrong'])} failures",
        ),
        (
            f"{len(fetch['attacks'])} kinds of malicious servers",
            f"all rejected, the slowest after {slowest:.0f} s",
        ),
        *(
            (
                f"{figures['inputs']:,} mutated {what}",
                f"{len(figures['wrong'])} failures; slowest {1000 * figures['slowest_s']:.0f} ms",
            )
            for what, figures in (
                ("IDX and gzip files", targets["idx"]),
                ("files of run folders", targets["run"]),
                ("headers of model files", targets["model"]),
            )
        ),
        (
            f"{models['kinds']} kinds of hostile model files, run folders and state dicts",
            f"{models['wrong']} failures: nothing executed, no other file opened; slowest {models['slowest_s']:.2f} s",
        ),
        (
            f"{mutated['files']:,} mutated model files",
            f"{len(mutated['wrong'])} failures; {mutated['loaded']:,} files are still valid",
        ),
        (
            f"{pictures['files']:,} mutated picture files of {len(pictures['seeds'])} kinds",
            f"{len(pictures['wrong'])} failures; slowest {pictures['slowest_s']:.1f} s",
        ),
    ]
    conditions = fuzz["conditions"]
    return "\n".join(
        [
            "| trial | result |",
            "|---|---|",
            *(f"| {trial} | {found} |" for trial, found in rows),
            "",
            f"{conditions['cores']} cores of {conditions['processor']}, one thread, with other programs running; "
            f"Python {conditions['python']}, PyTorch {conditions['packages']['torch']}.",
        ]
    )
