"""``penstroke train [RECIPE]``: train, measure, keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstroke import recipes
from penstroke.cli import resuming
from penstroke.cli.chosen import say_renamed
from penstroke.cli.output import say, say_json, warn
from penstroke.cli.parsing import parse
from penstroke.recipes import Recipe
from penstroke.runs import Run

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.training import Fitted


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train RECIPE and keep everything in a run folder. Each field of the recipe is an option, too.

    RECIPE is book, the textbook's, when none is named; fast, the shortest way to 99 %; or sturdy, for use.
    """

    recipe: Recipe
    data: str = "auto"
    """auto, a dataset's name, a folder with one folder for each class, or a folder with IDX files."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""
    threads: int | None = None
    """Threads for the processor's work; one for each core when not given."""
    tune: bool = True
    """Leave memory allocator and denormals as found; by default they are set for speed, with the same results."""
    out: Path | None = None
    """Folder for the run; the next free name is taken if it exists."""
    resume: str | None = None
    """Go on with this run, or without a value the latest that is not finished, as if it had never stopped."""
    checkpoint_every: str = "auto"
    """Steps (500), seconds (30s), never, or auto: each 10 s, or less often, to take at most 2 % of the time."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Train, or go on with a run; print what was measured, and name the run."""
    words = resuming.completed(words)
    named = words[0] if words and not words[0].startswith("-") else None
    old = resuming.wanted(words)
    default = {"recipe": recipes.get(named or "book")} if old is None else resuming.as_before(old)
    options = parse(TrainOptions, "train [RECIPE] [options]", words[1 if named else 0 :], TrainOptions(**default))
    pace = resuming.pace(options.checkpoint_every)
    if old is not None:
        resuming.refuse_changes(old, options.recipe, options.data, named, options.out)
        if old.finished:
            return _say_finished(old, options)

    from penstroke import runtime
    from penstroke.cli.progress import Downloads, EpochPrinter, SignalStop, training_printer, warn_of_guessing
    from penstroke.data import load
    from penstroke.training.checkpoint import Pace
    from penstroke.training.recorder import resume_run, train_run

    runtime.prepare(options.threads, tune=options.tune)
    runtime.choose_device(options.device)  # a wrong one is said before the data is fetched
    data = load(options.data, progress=Downloads())
    for note in data.notes:
        warn(note)
    stop = SignalStop()
    sinks = [training_printer(options.recipe.log_every), *([] if options.json else [EpochPrinter()]), stop]
    with stop.listening():
        if old is None:
            made, fitted = train_run(options.recipe, data, options.device, options.out, sinks, Pace(**pace))
        else:
            made, fitted = old, resume_run(old, data, options.device, sinks, Pace(**pace), warn)
        say_renamed(options.out if old is None else None, made.path)
        warn_of_guessing(fitted)
        _say_result(made, fitted, data, options)
    if not fitted.history.finished:
        anew = ", from the beginning: it has no checkpoint" if "never" in pace else ""
        warn(f"stopped; go on with `penstroke train --resume {made.path}`{anew}")
        return stop.exit_code
    return 0  # a signal that came after the last step stopped nothing


def _say_result(made: Run, fitted: "Fitted", data: "Dataset", options: TrainOptions) -> None:
    """Print what was measured; draw the curves and a test image, unless the training was stopped and must end soon."""
    result = made.read()
    if fitted.history.finished:
        from penstroke.insight.views import draw_curves

        draw_curves(made)
    if options.json:
        say_json(_as_json(made))
        return
    if fitted.history.finished and options.recipe.test_each_epoch:
        from penstroke.inference import Classifier
        from penstroke.insight.views import draw_samples

        classifier = Classifier(fitted.model, fitted.description)
        picture, (sample,) = draw_samples(classifier, data.test, [0], made.pictures)
        say(f"test image 0: prediction {sample.predicted}, truth {sample.truth}, picture {picture}")
    say(f"run: {made.path} ({result['state']}, data {data.card.name}, {result['seconds']:.1f} s)")
    if not (options.recipe.test_each_epoch or options.recipe.validation):
        say(f"not measured yet: penstroke test {made.path}")


def _say_finished(old: Run, options: TrainOptions) -> int:
    """Say that there is nothing to resume, which is no fault."""
    with old.training():
        old.tidy()
    if options.json:
        say_json(_as_json(old))
    warn(f"{old.path} is finished: there is nothing to resume")
    return 0


def _as_json(made: Run) -> dict[str, Any]:
    result = made.read()
    return {
        "run": str(made.path),
        "recipe": made.recipe().to_json(),
        "data": result["data"],
        "epochs": result["epochs"],
        "seconds": result["seconds"],
        "finished": made.finished,
    }
