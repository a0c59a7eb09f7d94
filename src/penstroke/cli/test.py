"""``penstroke test [RUN]``: what a model gets right and wrong on a test set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional

from penstroke.cli.chosen import open_classifier, open_data
from penstroke.cli.output import percent, say, say_json, table
from penstroke.cli.parsing import parse


@dataclass(frozen=True, kw_only=True)
class TestOptions:
    """Measure loss and accuracy of RUN (a run folder or model file; default: the latest run) on test images."""

    run: Annotated[Path | None, Positional] = None
    """Run folder or model file."""
    data: str | None = None
    """auto, a dataset's name, or a folder; by default the data that the model was trained on."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""
    threads: int | None = None
    """Threads for the processor's work; one for each core when not given."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Measure, and print the figures."""
    options = parse(TestOptions, "test [RUN] [options]", words)

    from penstroke import runtime
    from penstroke.evaluation import evaluate

    runtime.prepare(options.threads)
    classifier, place = open_classifier(options.run, options.device)
    data = open_data(classifier, options.data)
    report = evaluate(classifier.log_probabilities, data.test)
    if options.json:
        say_json({"run": str(place), "data": data.card.name} | report.to_json())
        return 0
    low, high = report.accuracy_ci95
    found = report.score
    say(
        f"{place} on {data.card.name}: {found.correct}/{found.total} right ({percent(found.accuracy)}, "
        f"95 % interval {percent(low)} to {percent(high)}), loss {found.loss:.4f}"
    )
    rows = [
        [row.label, str(row.total), str(row.correct), percent(row.recall), percent(row.precision)]
        for row in report.per_class
    ]
    say(table(["class", "images", "right", "recall", "precision"], rows))
    return 0
