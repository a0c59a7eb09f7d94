"""``penstroke train [RECIPE]``: train, measure, keep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstroke import recipes
from penstroke.cli.chosen import say_renamed
from penstroke.cli.output import say, say_json, warn
from penstroke.cli.parsing import parse
from penstroke.recipes import Recipe


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Train RECIPE and keep everything in a run folder. Each field of the recipe is an option, too.

    RECIPE is book, the textbook's, when none is named; or fast, the shortest way to 99 %.
    """

    recipe: Recipe
    data: str = "auto"
    """auto, a dataset's name, a folder with one folder for each class, or a folder with IDX files."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""
    threads: int | None = None
    """Threads for the processor's work; one for each core when not given."""
    tune: bool = True
    """Whether memory allocator and denormals are set for speed, as they are by default; the results are the same."""
    out: Path | None = None
    """Folder for the run; the next free name is taken if it exists."""
    json: bool = False
    """Print the result as JSON."""


def run(words: Sequence[str]) -> int:
    """Train, print what was measured, and name the run."""
    named = bool(words) and not words[0].startswith("-")
    recipe = recipes.get(words[0] if named else "book")
    options = parse(TrainOptions, "train [RECIPE] [options]", words[1 if named else 0 :], TrainOptions(recipe=recipe))

    from penstroke import runtime
    from penstroke.cli.progress import Downloads, EpochPrinter, SignalStop, training_printer, warn_of_guessing
    from penstroke.data import load
    from penstroke.inference import Classifier
    from penstroke.insight.views import draw_curves, draw_samples
    from penstroke.training.recorder import train_run

    runtime.prepare(options.threads, tune=options.tune)
    runtime.choose_device(options.device)  # a wrong one is said before the data is fetched
    data = load(options.data, progress=Downloads())
    for note in data.notes:
        warn(note)
    stop = SignalStop()
    printer = training_printer(options.recipe.log_every)
    sinks = [printer, *([] if options.json else [EpochPrinter()]), stop]
    with stop.listening():
        made, fitted = train_run(options.recipe, data, options.device, options.out, sinks)
    say_renamed(options.out, made.path)
    warn_of_guessing(fitted)
    draw_curves(made)
    result = made.read()
    if options.json:
        say_json(
            {
                "run": str(made.path),
                "recipe": options.recipe.to_json(),
                "data": result["data"],
                "epochs": result["epochs"],
                "seconds": result["seconds"],
                "finished": fitted.history.finished,
            }
        )
        return stop.exit_code
    if options.recipe.test_each_epoch and fitted.history.epochs:
        classifier = Classifier(fitted.model, fitted.description)
        picture, (sample,) = draw_samples(classifier, data.test, [0], made.pictures)
        say(f"test image 0: prediction {sample.predicted}, truth {sample.truth}, picture {picture}")
    say(f"run: {made.path} ({result['state']}, data {data.card.name}, {result['seconds']:.1f} s)")
    if not (options.recipe.test_each_epoch or options.recipe.validation):
        say(f"not measured yet: penstroke test {made.path}")
    return stop.exit_code
