"""``penstroke sweep [RECIPE] --find-lr``: a learning-rate range test."""

from pathlib import Path
from typing import TYPE_CHECKING

from penstroke.cli.experiments import save_plot
from penstroke.cli.output import Result, escape_control, warn
from penstroke.errors import require_extra

if TYPE_CHECKING:
    from penstroke.experiments.source import Source
    from penstroke.recipes import Recipe


def find_lr(recipe: "Recipe", folder: Path, source: "Source", threads: int | None, device: str) -> Result:
    """Run the test, write its table and its figure to ``folder``, and return the learning rates."""
    require_extra("train", "torch")
    from penstroke import runtime, storage
    from penstroke.cli.progress import Downloads, counter
    from penstroke.experiments import find_lr as experiment

    runtime.configure(threads)
    dataset = source.load(Downloads())
    for note in dataset.notes:
        warn(note)
    with counter("steps") as count:
        # Lines are for files: one for every fiftieth step is enough.
        test = experiment.find_lr(
            recipe, dataset, device=device, report=lambda done, total: count(done, total) if done % 50 == 0 else None
        )
    storage.make_folder(folder)
    files = [storage.write_csv(folder / "find-lr.csv", test.rows())]
    title = f"{recipe.name} with {recipe.optimizer.kind} on {dataset.card.name}: learning-rate range test"
    figure = save_plot(lambda: experiment.range_figure(test, title), folder / "find-lr.png")
    text = (
        f"suggested learning rate for {recipe.optimizer.kind}: {test.suggested:.2g}, a tenth of {test.lowest:.2g}, "
        f"where the training loss was lowest; it fell fastest near {test.steepest:.2g}\n"
        f"files: {', '.join(map(str, files + ([figure] if figure else [])))}"
    )
    value = {"folder": str(folder), "figure": str(figure) if figure else None} | test.to_json()
    return Result(value, escape_control(text))
