"""The table of ``prediction-at-scale.json``: the prediction of many images and pictures."""

from benchmarks.conditions import RESULTS, load_result

MISSING = "Not measured yet: run `python -m benchmarks.prediction_at_scale`."


def prediction() -> str:
    """Return the table of the passes over images and pictures, and what was checked."""
    if not (RESULTS / "prediction-at-scale.json").exists():
        return MISSING
    found = load_result("prediction-at-scale")
    where, results = found["conditions"], found["results"]
    whole, killed, pictures = results["uninterrupted"], results["killed"], results["pictures"]
    alone = results["model_alone"]["median"]
    rows = [
        "| pass | rows | seconds | rows per second | compared with |",
        "|---|---|---|---|---|",
        _row(f"the model alone, {results['workers']} processes", None, None, alone, ""),
        _row(
            "images", whole["rows"], whole["seconds"], whole["rate"], f"{results['share_of_model']:.0%} of the model alone"
        ),
        _row(
            f"images, {killed['kills']} kills", killed["rows"], killed["seconds"], killed["rate"],
            f"{results['share_of_uninterrupted']:.0%} of the pass without kills",
        ),
        _row("picture files", pictures["rows"], pictures["seconds"], pictures["rate"], ""),
    ]  # fmt: skip
    checked = results["checked"].values()
    lost = sum(each["missing"] + each["repeated"] for each in checked)
    equal = "the same bytes" if results["equal_files"] else "other bytes"
    named = "exactly" if pictures["exactly_the_broken_ones_have_errors"] else "not exactly"
    text = (
        f"{lost} images of both passes are missing or there twice; the files of both have {equal}. "
        f"{pictures['rows_once']:,} of {pictures['files']:,} picture files have one row, and {named} the "
        f"{pictures['broken']} that are broken have an error. The largest process needed "
        f"{whole['peak_bytes_of_a_process'] / 1e9:.2f} GB. {where['cores']} cores of {where['processor']}."
    )
    return "\n".join([*rows, "", text])


def _row(name: str, rows: int | None, seconds: float | None, rate: float, compared: str) -> str:
    texts = [name, f"{rows:,}" if rows else "", f"{seconds:.0f}" if seconds else "", f"{rate:,.0f}", compared]
    return f"| {' | '.join(texts)} |"
