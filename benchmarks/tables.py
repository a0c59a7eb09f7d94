"""Write the tables of the README and the docs from the kept results: ``python -m benchmarks.tables``.

A table stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``; a test holds that each page says what the
kept results say.
"""

from pathlib import Path
from typing import Any

from benchmarks.conditions import result
from benchmarks.hostile_table import hostile
from benchmarks.pictures_table import papers, pictures

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/chapter.md",
    "docs/fast.md",
    "docs/pictures.md",
    "docs/reliability.md",
    "docs/reliability-hostile.md",
)


def conditions(*names: str) -> str:
    """Return the conditions of measurements, in words."""
    found = result(names[0])["conditions"]
    versions = f"Python {found['python']}, PyTorch {found['packages']['torch']}"
    return f"{found['cores']} cores of {found['processor']}, {found['threads']} threads, {versions}"


def accuracy() -> str:
    """Return the table of accuracies over seeds."""
    rows = [
        "| recipe | measured | right of 10,000: mean | spread (sd) | loss: mean | seeds | the book printed |",
        "|---|---|---|---|---|---|---|",
    ]
    printed = {("book", 0): "9833", ("book", 1): "9859"}
    for name in ("book", "fast", "sturdy"):
        kept = result(f"accuracy-{name}")
        tested_once = len(kept["summary"]) == 1
        for epoch, row in enumerate(kept["summary"]):
            after = kept["recipe"]["epochs"] if tested_once else epoch + 1
            rows.append(
                f"| `{name}` | after epoch {after} | {row['mean_correct']:.1f} | {row['sd_correct']:.1f} | "
                f"{row['mean_loss']:.4f} | {kept['n']} | {printed.get((name, epoch), '')} |"
            )
    return "\n".join([*rows, "", f"MNIST's 10,000 test images; {conditions('accuracy-book')}."])


def speed() -> str:
    """Return the table of paired speeds."""
    exercise, epoch, record, official = result("exercise"), result("epoch"), result("record"), result("official")
    inference, start, growth = result("inference"), result("start"), result("growth")

    # The two halves were not taken in turn: each training of the official example is set against the median of `fast`.
    of_fast = record["fast_seconds"]["median"]
    to_official = {key: official["official_seconds"][key] / of_fast for key in ("median", "min", "max")}
    to_official["n"] = official["official_seconds"]["n"]

    def line(work: str, reference: str, theirs: Any, ours: Any, times: Any, unit: str = "s") -> str:
        return (
            f"| {work} | {reference} | {theirs['median']:.1f} {unit} | {ours['median']:.2f} {unit} | "
            f"**{times['median']:.1f}** ({times['min']:.1f} to {times['max']:.1f}, n = {times['n']}) |"
        )

    rows = [
        "| work | reference | reference takes | Penstroke takes | times faster: median (range) |",
        "|---|---|---|---|---|",
        line("the exercise: two epochs and their tests, same mathematics (`book`)", "as the chapter writes it",
             exercise["chapter_seconds"], exercise["book_seconds"], exercise["times_faster"]),
        line("to 99.0 % on the test set (`fast`)", "PyTorch's official example, to its first such epoch",
             official["official_seconds"], record["fast_seconds"], to_official),
        line("the same", "the published one-epoch record's setting",
             record["record_seconds"], record["fast_seconds"], record["times_faster"]),
        line("10,000 test images (`book`)", "the chapter's test pass",
             inference["chapter_seconds"], inference["book_seconds"], inference["times_faster"]),
    ]  # fmt: skip
    rates = "; ".join(
        f"`{name.replace(' ', '`, batch ')}: {rate:,.0f}" for name, rate in inference["images_per_second"].items()
    )
    small, large = growth["sizes"][0], growth["sizes"][-1]
    ours, theirs = record["fast_accuracy"], record["record_accuracy"]
    beyond = start["predict beyond torch"]["median"]
    share, peak = exercise["share_of_matmul"], exercise["matmul_gflops"]["median"]
    more = [
        f"- One epoch, measured apart: {epoch['chapter_epoch_seconds']['median']:.1f} s as the chapter writes it, "
        f"{epoch['book_epoch_seconds']['median']:.1f} s here, {epoch['epoch_times_faster']['median']:.2f} times faster "
        f"({epoch['epoch_times_faster']['min']:.2f} to {epoch['epoch_times_faster']['max']:.2f}, n = 5).",
        f"- `fast` is right on {100 * ours['mean']:.2f} % of the test set on average in these {ours['n']} trainings, "
        f"the record's setting on {100 * theirs['mean']:.2f} %.",
        f"- Arithmetic: a `book` epoch runs at {exercise['book_gflops']:.0f} GFLOP/s, {100 * share:.0f} % of what a "
        f"large matrix product reaches beside it ({peak:.0f}).",
        f"- Inference, images per second: {rates}.",
        f"- From a cold start: `--help` {start['--help']['median']:.2f} s; one picture predicted "
        f"{start['predict']['median']:.2f} s, {beyond:.2f} s more than importing torch.",
        f"- Growth: {large['images']:,} images cost {growth['time_per_image_ratio']:.2f} times the seconds an image of "
        f"{small['images']:,}, and {growth['memory_growth_mb']:.0f} MB more memory.",
        "",
        "Every training in a process of its own, pairs in turn in one run, the official example apart; "
        f"{conditions('exercise')}.",
    ]
    return "\n".join([*rows, "", *more])


TRIALS = {
    "kills": (
        "SIGKILL at random moments: {kills:,} kills of {trainings} trainings, all optimizers",
        "{unreadable} unreadable checkpoints, {unequal} ends unlike the unbroken run's",
    ),
    "kill points": (
        "SIGKILL before each of the {operations} operations on the disk of a training",
        "{unreadable} unreadable checkpoints, {unequal} ends unlike the unbroken run's",
    ),
    "power cuts": (
        "power cuts: {states:,} legal states of the disk, {finished} of them trained to their end",
        "{lost} lost a promised checkpoint, {third} hold what never was, {unequal} unlike",
    ),
    "faults": (
        "a fault at each operation, {kinds} kinds, once and lasting: {trials:,} trials",
        "{checkpoint lost} checkpoints lost, {wrong error} wrong messages, {littered} with litter, {unequal} unlike",
    ),
    "damages": (
        "flips, cuts and swaps in checkpoints: {trials:,}",
        "{unnoticed} unnoticed, {previous not used} times the one before was not used",
    ),
    "repeats": (
        "{repeats} repeats of one seed on one thread, and one on two",
        "{different} of them with other bits; {on two threads} on two threads",
    ),
    "cost": (
        "cost of checkpoints in a `book` run of {epochs} epochs, {training seconds:.0f} s",
        "{share:.2%} for {checkpoints} checkpoints",
    ),
}
"""What the table of a campaign says of each of its trials: what was done, and what was found."""


def reliability() -> str:
    """Return the table of what the campaigns found, as far as they were run."""
    kept = result("reliability-training")["trials"]
    same = kept["repeats"]["two threads give the bits of one"]
    words = {"on two threads": "the same bits" if same else "other bits"}
    rows = [
        "| " + " | ".join(text.format(**kept[name], **words) for text in texts) + f" | {kept[name]['seconds']:.0f} s |"
        for name, texts in TRIALS.items()
        if name in kept
    ]
    return "\n".join(["| trial | found | took |", "|---|---|---|", *rows, "", f"{conditions('reliability-training')}."])


TABLES = {
    "accuracy": accuracy, "speed": speed, "pictures": pictures, "papers": papers, "reliability": reliability,
    "hostile": hostile,
}  # fmt: skip


def filled(page: str) -> str:
    """Return a page's text with its tables made from the kept results."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        if begin in text:
            before, rest = text.split(begin, 1)
            text = f"{before}{begin}{make()}\n{end}{rest.split(end, 1)[1]}"
    return text


def main() -> None:
    """Rewrite the pages."""
    for page in PAGES:
        (ROOT / page).write_text(filled(page), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
