"""Write the tables of the README and the docs from the saved results: ``python -m benchmarks.tables``.

A table is between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``. A test checks that the pages match the saved
results.
"""

from pathlib import Path
from typing import Any

from benchmarks.best_table import best, search
from benchmarks.claims_table import BASELINES, audit, claim, claims_conditions, gradient_noise, learning_rates
from benchmarks.conditions import described, load_result
from benchmarks.corrections_table import corrections
from benchmarks.distributed_table import distributed, hosts, steps
from benchmarks.elastic_table import elastic
from benchmarks.export_table import exports, int8, onnx_speed
from benchmarks.hostile_table import hostile
from benchmarks.own_pictures_table import own_pictures, peers
from benchmarks.pictures_table import handwriting, pages, papers, pictures, readers, turned, unseen
from benchmarks.prediction_table import prediction
from benchmarks.ready_table import ready, ready_files
from benchmarks.records_table import book_peers, sprint
from benchmarks.rejection_table import rejection
from benchmarks.serving_table import backends, clients, serving
from benchmarks.transfer_table import transfer

ROOT = Path(__file__).parent.parent
PAGES = (
    "README.md",
    "docs/audit.md",
    "docs/best.md",
    "docs/chapter.md",
    "docs/claims.md",
    "docs/export.md",
    "docs/fast.md",
    "docs/general.md",
    "docs/pictures.md",
    "docs/ready.md",
    "docs/rejection.md",
    "docs/reliability.md",
    "docs/reliability-hostile.md",
    "docs/scaling.md",
    "docs/serving.md",
    "docs/sprint.md",
    "docs/transfer.md",
)


def conditions(name: str) -> str:
    """Return the conditions of a measurement as text."""
    return described(load_result(name)["conditions"])


def accuracy() -> str:
    """Return the table of accuracies over seeds."""
    rows = [
        "| recipe | measured | correct of 10,000: mean | standard deviation | mean loss | seeds | the book prints |",
        "|---|---|---|---|---|---|---|",
    ]
    printed = {("book", 0): "9833", ("book", 1): "9859"}
    for name in ("book", "fast", "robust", "best"):
        kept = load_result(f"accuracy-{name}")
        tested_once = len(kept["summary"]) == 1
        for epoch, row in enumerate(kept["summary"]):
            after = kept["recipe"]["epochs"] if tested_once else epoch + 1
            rows.append(
                f"| `{name}` | after epoch {after} | {row['mean_correct']:.1f} | {row['sd_correct']:.1f} | "
                f"{row['mean_loss']:.4f} | {kept['n']} | {printed.get((name, epoch), '')} |"
            )
    measured = f"`book`, `fast`: {conditions('accuracy-book')}; `robust`, `best`: {conditions('accuracy-best')}"
    return "\n".join([*rows, "", f"MNIST's 10,000 test images. {measured}."])


def speed() -> str:
    """Return the table of speeds."""
    exercise, record, official = load_result("exercise"), load_result("record"), load_result("official")
    inference = load_result("inference")

    # Not measured alternately: each training run of the official example is compared with the median of `fast`.
    of_fast = record["fast_seconds"]["median"]
    to_official = {key: official["official_seconds"][key] / of_fast for key in ("median", "min", "max")}
    to_official["n"] = official["official_seconds"]["n"]

    def line(work: str, reference: str, theirs: Any, ours: Any, times: Any, unit: str = "s") -> str:
        return (
            f"| {work} | {reference} | {theirs['median']:.1f} {unit} | {ours['median']:.2f} {unit} | "
            f"**{times['median']:.1f}** ({times['min']:.1f} to {times['max']:.1f}, n = {times['n']}) |"
        )

    rows = [
        "| task | reference | time of the reference | time of Penstroke | times faster: median (range) |",
        "|---|---|---|---|---|",
        line("the exercise: two epochs and their tests, same mathematics (`book`)", "as the chapter does it",
             exercise["chapter_seconds"], exercise["book_seconds"], exercise["times_faster"]),
        line("to 99.0 % on the test set (`fast`)", "PyTorch's official example, until its first such epoch",
             official["official_seconds"], record["fast_seconds"], to_official),
        line("the same", "the published one-epoch record's setting",
             record["record_seconds"], record["fast_seconds"], record["times_faster"]),
        line("10,000 test images (`book`)", "the chapter's test pass",
             inference["chapter_seconds"], inference["book_seconds"], inference["times_faster"]),
    ]  # fmt: skip
    text = "Each training in a new process, pairs measured alternately, the official example separately"
    return "\n".join([*rows, "", f"{text}; {conditions('exercise')}."])


def more_speed() -> str:
    """Return further figures of the speed as a list."""
    exercise, epoch, record = load_result("exercise"), load_result("epoch"), load_result("record")
    inference, start, growth = load_result("inference"), load_result("start"), load_result("growth")
    rates = "; ".join(
        f"`{name.replace(' ', '`, batch ')}: {rate:,.0f}" for name, rate in inference["images_per_second"].items()
    )
    small, large = growth["sizes"][0], growth["sizes"][-1]
    ours, theirs = record["fast_accuracy"], record["record_accuracy"]
    beyond = start["predict beyond torch"]["median"]
    share, peak = exercise["share_of_matmul"], exercise["matmul_gflops"]["median"]
    rows = [
        f"- One epoch, measured separately: {epoch['chapter_epoch_seconds']['median']:.1f} s as the chapter does it, "
        f"{epoch['book_epoch_seconds']['median']:.1f} s with Penstroke, {epoch['epoch_times_faster']['median']:.2f} "
        f"times faster ({epoch['epoch_times_faster']['min']:.2f} to {epoch['epoch_times_faster']['max']:.2f}, n = 5).",
        f"- Mean test accuracy of these {ours['n']} trainings: {100 * ours['mean']:.2f} % with `fast`, "
        f"{100 * theirs['mean']:.2f} % with the record's setting.",
        f"- Arithmetic: a `book` epoch reaches {exercise['book_gflops']:.0f} GFLOP/s, {100 * share:.0f} % of the rate "
        f"of a large matrix product ({peak:.0f}).",
        f"- Inference, images per second: {rates}.",
        f"- Start-up: `--help` {start['--help']['median']:.2f} s; prediction of one picture "
        f"{start['predict']['median']:.2f} s, {beyond:.2f} s more than `import torch`.",
        f"- Growth from {small['images']:,} to {large['images']:,} images: {growth['time_per_image_ratio']:.2f} times "
        f"the seconds per image, {growth['memory_growth_mb']:.0f} MB more memory.",
        "",
        f"{conditions('exercise')}.",
    ]
    return "\n".join(rows)


TRIALS = {
    "kills": (
        "SIGKILL at random times: {kills:,} kills in {trainings} trainings, all optimizers",
        "{unreadable} unreadable checkpoints, {unequal} results that differ from the uninterrupted run",
    ),
    "kill points": (
        "SIGKILL before each of the {operations} disk operations of a training",
        "{unreadable} unreadable checkpoints, {unequal} results that differ from the uninterrupted run",
    ),
    "power cuts": (
        "power cuts: {states:,} legal states of the disk, {finished} of them trained to the end",
        "{lost} lost a promised checkpoint, {invalid} contain a state that never existed, {unequal} results differ",
    ),
    "faults": (
        "an error at each disk operation, {kinds} kinds, once and persistent: {trials:,} trials",
        "{checkpoint lost} checkpoints lost, {wrong error} wrong messages, {leftovers} with leftover files, "
        "{unequal} results differ",
    ),
    "damage": (
        "flipped bits, truncated and swapped files in checkpoints: {trials:,}",
        "{undetected} undetected, {previous not used} times the previous checkpoint was not used",
    ),
    "repeats": (
        "{repeats} trainings with one seed on one thread, and one on two threads",
        "{different} of them differ; {two threads}",
    ),
    "cost": (
        "cost of checkpoints in a `book` training of {epochs} epochs, {training seconds:.0f} s",
        "{share:.2%} for {checkpoints} checkpoints",
    ),
}
"""Texts of the reliability table: the trial, and its result."""


def reliability() -> str:
    """Return the table of the reliability campaigns that have results."""
    trials = load_result("reliability-training")["trials"]
    equal = trials["repeats"]["two threads give the bits of one"]
    words = {"two threads": f"two threads give {'the same bits' if equal else 'other bits'}"}
    rows = [
        "| "
        + " | ".join(text.format(**trials[name], **words) for text in texts)
        + f" | {trials[name]['seconds']:.0f} s |"
        for name, texts in TRIALS.items()
        if name in trials
    ]
    return "\n".join(
        ["| trial | result | time |", "|---|---|---|", *rows, "", f"{conditions('reliability-training')}."]
    )


TABLES = {
    "serving": serving,
    "serving_backends": backends,
    "serving_clients": clients,
    "corrections": corrections,
    "accuracy": accuracy,
    "best": best,
    "best-search": search,
    "book_peers": book_peers,
    "exports": exports,
    "handwriting": handwriting,
    "hostile": hostile,
    "int8": int8,
    "more_speed": more_speed,
    "onnx_speed": onnx_speed,
    "own_pictures": own_pictures,
    "pages": pages,
    "papers": papers,
    "peers": peers,
    "pictures": pictures,
    "ready": ready,
    "ready_files": ready_files,
    "rejection": rejection,
    "reliability": reliability,
    "speed": speed,
    "sprint": sprint,
    "transfer": transfer,
    "turned": turned,
    "unseen": unseen,
    "readers": readers,
    "audit": audit,
    "claims_conditions": claims_conditions,
    "distributed": distributed,
    "hosts": hosts,
    "steps": steps,
    "elastic": elastic,
    "prediction": prediction,
    "gradient_noise": gradient_noise,
    "learning_rates": learning_rates,
} | {f"claim_{name}": claim(name) for name in BASELINES}


def filled(page: str) -> str:
    """Return the text of a page with its tables made from the saved results."""
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
