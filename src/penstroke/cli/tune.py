"""``penstroke tune [RECIPE] --range FIELD=LOW..HIGH``: search the best values of fields, on a validation split."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.experiments import Images, Jobs, JobThreads, save_plot
from penstroke.cli.options import Device, Json, Size, SkipBroken, integer_from
from penstroke.cli.output import Result, escape_control, percent, table, warn
from penstroke.cli.recipe_options import chosen_recipe, with_recipe_options
from penstroke.cli.train import Config, RecipeName, TrainingData
from penstroke.errors import UsageError, require_extra
from penstroke.experiments.source import Source
from penstroke.experiments.variations import value_text
from penstroke.runtime.terminal import emit

if TYPE_CHECKING:
    from penstroke.experiments.tuning import Tuning

SHOWN = 5
"""Number of the best trials that are printed."""

Ranges = Annotated[
    list[str] | None,
    Parameter(
        name="--range",
        help="A field of the recipe with its bounds or its choices; repeat it for several fields.",
        metavar="FIELD=LOW..HIGH",
        show_default=False,
        negative_iterable="",
    ),
]
Trials = Annotated[
    int,
    Parameter(
        name="--trials",
        help="Trials in all; the same command with a larger number continues.",
        metavar="INT",
        converter=integer_from(1, 100_000),
    ),
]
TuneFolder = Annotated[
    Path | None,
    Parameter(
        name="--out",
        metavar="PATH",
        help="Folder for the study and its runs. Several processes may use it at the same time.",
        show_default="tunes/RECIPE-FIELDS",
    ),
]


Database = Annotated[
    str | None,
    Parameter(
        name="--storage",
        metavar="URL",
        help="Database of the study, such as postgresql://HOST/NAME, for many machines.",
        show_default="a file in the folder",
    ),
]


@with_recipe_options
def tune(
    recipe: RecipeName = None,
    /,
    *,
    range: Ranges = None,
    trials: Trials = 20,
    images: Images = None,
    data: TrainingData = None,
    size: Size = None,
    skip_broken: SkipBroken = False,
    out: TuneFolder = None,
    storage: Database = None,
    config: Config = None,
    jobs: Jobs = None,
    threads: JobThreads = None,
    device: Device = "auto",
    json: Json = False,  # noqa: ARG001 - read by `app.run`
    **fields: Any,
) -> Result:
    """Search the ranges, and write the best recipe as a TOML file."""
    from penstroke.experiments.ranges import check_ranges, parse_range

    if not range:
        raise UsageError("--range is missing.", "Name a field and its bounds: --range lr=0.01..1.")
    # A validation split is needed, and the test split must not be used: these are defaults here.
    base = chosen_recipe(recipe, config, {}, data)
    defaults: dict[str, Any] = {"test_each_epoch": False} | ({} if base.validation else {"validation": 0.1})
    base = base.replace(**defaults | fields)
    ranges = tuple(parse_range(text) for text in range)
    check_ranges(base, ranges)
    require_extra("train", "torch")
    require_extra("tune", "optuna")
    from penstroke.cli.progress import Downloads
    from penstroke.experiments.database import connected
    from penstroke.experiments.tuning import open_tuning
    from penstroke.experiments.tuning import tune as search
    from penstroke.experiments.workers import Conditions

    folder = out or Path("tunes") / "-".join([base.name, *(found.field for found in ranges)])
    source = Source(data or "auto", images, size, skip_broken)
    tuning = open_tuning(base, ranges, folder, source, Downloads(), storage)
    for note in tuning.experiments.data.notes:
        warn(note)
    if tuning.trials:
        warn(f"{len(tuning.trials)} of {trials} trials in {folder} exist; the search continues")
    try:
        search(tuning, trials, Conditions(jobs, threads, device), lambda trial, state: _report(tuning, trial, state))
    except (KeyboardInterrupt, SystemExit):
        warn("stopped; run the same command again to continue")
        raise
    with connected():
        return _result(tuning, folder)


def _report(tuning: "Tuning", trial: Any, state: str) -> None:
    """Print a line on stderr for a trial that ended."""
    emit(f"trial {trial.number}: {tuning.experiment(trial).setting.label}: {state}", sys.stderr)


def _result(tuning: "Tuning", folder: Path) -> Result:
    """Write the figure, the table of trials and the best recipe, and return the best trials."""
    from penstroke import storage
    from penstroke.experiments.figure import tuning_figure
    from penstroke.experiments.tuning import importances
    from penstroke.recipes.toml import toml_text

    best, shares = tuning.best(), importances(tuning.study)
    rows = [_row(tuning, trial) for trial in tuning.trials]
    files = [storage.write_csv(folder / "trials.csv", rows)]
    config = None
    if best is not None:
        config = folder / "best.toml"
        storage.write_bytes(config, toml_text(tuning.experiment(best).recipe).encode())
        files.append(config)
    title = f"{tuning.base.name} on {tuning.experiments.data.card.name}: {len(rows)} trials"
    figure = save_plot(lambda: tuning_figure([row["accuracy"] for row in rows], shares, title), folder / "trials.png")
    files += [figure] if figure else []
    value = {
        "folder": str(folder),
        "best": _row(tuning, best) if best else None,
        "config": str(config) if config else None,
        "importances": shares,
        "trials": rows,
        "figure": str(figure) if figure else None,
    }
    return Result(value, escape_control(_text(rows, shares, config, files)))


def _row(tuning: "Tuning", trial: Any) -> dict[str, Any]:
    """Return one trial as plain JSON values; the accuracy is None if it is not finished."""
    state = trial.state.name.lower()
    accuracy = trial.value if state == "complete" else None
    values = tuning.experiment(trial).setting.values
    flat = {name: value_text(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"trial": trial.number, "state": state, "accuracy": accuracy} | flat | {"run": str(tuning.run(trial).path)}


def _text(rows: list[dict[str, Any]], shares: dict[str, float], config: Path | None, files: list[Path]) -> str:
    finished = sorted((row for row in rows if row["accuracy"] is not None), key=lambda row: -row["accuracy"])
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in FIXED]
    cells = [
        [str(row["trial"]), percent(row["accuracy"]), *(_cell(row.get(name)) for name in names)]
        for row in finished[:SHOWN]
    ]
    lines = [table(["trial", "validation accuracy", *names], cells)] if cells else ["no trial finished"]
    if shares:
        lines.append("importance: " + ", ".join(f"{name} {percent(share)}" for name, share in shares.items()))
    lines.append(f"{len(rows)} trials, {len(finished)} finished; files: {', '.join(map(str, files))}")
    if config:
        lines.append(f"train the best recipe: penstroke train --config {config}")
    return "\n".join(lines)


FIXED = ("trial", "state", "accuracy", "run")
"""Columns of a trial that are not fields of the recipe."""


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
