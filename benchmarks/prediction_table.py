"""The table of ``prediction-at-scale.json``: the prediction of many images and pictures."""

from typing import Any

from benchmarks.conditions import load_result


def prediction() -> str:
    """Return the table of the passes over images and pictures, and what was checked."""
    results = load_result("prediction-at-scale")
    where = results["conditions"]
    whole, killed, pictures = results["uninterrupted"], results["killed"], results["pictures"]
    alone = results["model_alone"]["median"]
    of_model = f"{100 * results['share_of_model']:.0f} % of the model alone"
    of_whole = f"{100 * results['share_of_uninterrupted']:.0f} % of the pass without kills"
    rows = [
        "| pass | rows | seconds | rows per second | compared with |",
        "|---|---|---|---|---|",
        f"| the model alone, {results['workers']} processes | | | {alone:,.0f} | |",
        _row("images", whole, of_model),
        _row(f"images, {killed['kills']} kills", killed, of_whole),
        _row("picture files", pictures, ""),
    ]
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


def _row(name: str, found: dict[str, Any], compared: str) -> str:
    return f"| {name} | {found['rows']:,} | {found['seconds']:.0f} | {found['rate']:,.0f} | {compared} |"
