"""``penstroke train [RECIPE]``: train a recipe, or continue a run, and store everything in a run folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from penstroke import recipes
from penstroke.cli.init_options import Freeze, InitFrom, open_init, planned, recipe_of
from penstroke.cli.launched import checked_launch, connected, device_of_launch, run_of_launch
from penstroke.cli.options import DATA_HELP, Device, Json, Size, SkipBroken, Threads, duration
from penstroke.cli.outlier_options import OutliersFrom, load_outliers, with_outliers
from penstroke.cli.output import Result, escape_control, say, warn
from penstroke.cli.recipe_options import chosen_recipe, with_recipe_options
from penstroke.cli.resuming import Conditions, check_unchanged, conditions_of
from penstroke.cli.seeds import AsCommittee, TrainJobs, TrainSeeds, check_inapplicable, check_without_seeds, train_seeds
from penstroke.cli.shared import RunFolder, warn_if_renamed, warn_if_too_many_threads
from penstroke.errors import require_extra
from penstroke.experiments.source import Source
from penstroke.training.interval import CheckpointInterval
from penstroke.training.launch import Launch

if TYPE_CHECKING:
    from penstroke.data import Dataset
    from penstroke.recipes import Recipe
    from penstroke.runs import Run
    from penstroke.training import Fitted
    from penstroke.training.init import Source as InitSource

CURVES_FROM = 10.0
"""Minimum duration, in seconds, of a training run whose curves are drawn automatically.

Importing matplotlib and drawing take 0.5 s, which is long compared with a training run of a few seconds.
"""

RecipeName = Annotated[
    str | None,
    Parameter(
        name="recipe",
        help="book: the textbook's training; fast: 99.2 % on MNIST in one epoch; sprint: 99 % in part of one; robust: "
        "for photos of digits; general: for pictures of any kind; best: highest accuracy on MNIST; distilled: robust, "
        "taught by a committee.",
        choices=tuple(recipes.RECIPES),
        show_choices=False,
        show_default="book for MNIST, general for your own data",
    ),
]
TrainingData = Annotated[str | None, Parameter(name="--data", help=DATA_HELP, metavar="DATA", show_default="auto")]
TrainingDevice = Annotated[Device | None, Parameter(show_default="auto")]
Tune = Annotated[
    bool | None,
    Parameter(
        name="--tune",
        help="Configure memory and denormal numbers for speed; results do not change.",
        show_default="yes",
    ),
]
Config = Annotated[
    Path | None,
    Parameter(name="--config", help="TOML file with fields of a recipe; options override it.", metavar="FILE"),
]
Resume = Annotated[
    Path | bool,
    Parameter(
        name="--resume",
        help="Continue RUN, or the latest unfinished run, as if it had not stopped.",
        metavar="[RUN]",
        negative="",
        show_default=False,
    ),
]
Track = Annotated[
    list[Literal["tensorboard", "mlflow"]] | None,
    Parameter(
        name="--track",
        help="tensorboard: write to RUN/tensorboard; mlflow: send to the server at MLFLOW_TRACKING_URI.",
        metavar="NAME",
        negative_iterable="",
        show_choices=False,
        show_default=False,
    ),
]
CheckpointEvery = Annotated[
    str | None,
    Parameter(
        name="--checkpoint-every",
        help="Steps (500), seconds (30s), never, or auto (10 s or longer, at most 2 % of the time).",
        metavar="WHEN",
        show_default="auto",
    ),
]


Budget = Annotated[
    float | None,
    Parameter(
        name="--budget",
        help="Time of the training, as 90s, 10m or 1h: chooses the width of the network and the number of epochs by a "
        "measurement on this machine.",
        metavar="TIME",
        converter=duration,
        show_default=False,
    ),
]


@with_recipe_options
def train(
    recipe: RecipeName = None,
    /,
    *,
    data: TrainingData = None,
    size: Size = None,
    skip_broken: SkipBroken = False,
    outliers_from: OutliersFrom = None,
    out: RunFolder = None,
    config: Config = None,
    budget: Budget = None,
    init: InitFrom = None,
    freeze: Freeze = None,
    resume: Resume = False,
    checkpoint_every: CheckpointEvery = None,
    device: TrainingDevice = None,
    threads: Threads = None,
    tune: Tune = None,
    track: Track = None,
    seeds: TrainSeeds = None,
    jobs: TrainJobs = None,
    committee: AsCommittee = False,
    json: Json = False,
    **fields: Any,
) -> Result:
    """Train a recipe in a new run, or continue a run, and return the measurements of its epochs."""
    if seeds is not None:
        other: dict[str, Any] = {"--resume": resume, "--checkpoint-every": checkpoint_every, "--no-tune": tune is False}
        other |= {"--track": track, "--budget": budget, "--init": init, "--freeze": freeze}
        other["--outliers-from"] = outliers_from
        base = _recipe(recipe, config, fields, data, None)
        return train_seeds(
            base, seeds, source=Source(data or "auto", None, size, skip_broken), out=out, jobs=jobs, threads=threads,
            device=device, committee=committee, inapplicable=other,
        )  # fmt: skip
    check_without_seeds({"--jobs": jobs, "--committee": committee})
    interval = CheckpointInterval.parse(checkpoint_every) if checkpoint_every else None
    if budget is not None:
        fixed = {"--resume": resume, "--init": init}
        check_inapplicable("--budget", fixed | {f"--{name}": name in fields for name in ("epochs", "channels")})
    launched = checked_launch(budget)
    run = _run_to_resume(resume) or run_of_launch(launched, out)
    origin = open_init(init, freeze, resuming=run is not None)
    if origin:
        fields = {"network": origin.description.network} | fields
        recipe = recipe or (None if config else recipe_of(origin))
    chosen = _recipe(recipe, config, fields, data, run)
    if run is None:
        chosen = with_outliers(chosen, outliers_from, fields)
    if run is None and recipe is None and config is None:
        warn(f"recipe {chosen.name}, the default for {'MNIST' if chosen.name == 'book' else 'pictures of your own'}")
    conditions = (conditions_of(run) if run else Conditions()).changed(
        data=data, size=size, skip_broken=skip_broken or None, outliers_from=outliers_from, device=device,
        threads=threads, tune=tune,
    )  # fmt: skip
    if run is not None:
        check_unchanged(run, chosen, recipe, data, out if resume else None, size)
        if run.finished and launched.world.size == 1:
            return _nothing_to_resume(run)
    return _train(run, chosen, conditions, interval, out, track or (), budget, origin, freeze, launched, as_json=json)


def _run_to_resume(resume: Path | bool) -> "Run | None":
    """Return the run that ``--resume`` names, the latest unfinished one for True, None for False."""
    if resume is False:
        return None
    from penstroke import runs

    return runs.to_resume(None if resume is True else resume)


def _recipe(
    name: str | None, config: Path | None, flat: dict[str, Any], data: str | None, run: "Run | None"
) -> "Recipe":
    """Return the recipe of the run, of the TOML file, or of the given name, changed by the options."""
    return run.recipe().replace(**flat) if run and not config else chosen_recipe(name, config, flat, data)


def _train(
    run: "Run | None",
    recipe: "Recipe",
    conditions: Conditions,
    interval: CheckpointInterval | None,
    out: Path | None,
    track: Sequence[str],
    budget: float | None,
    source: "InitSource | None",
    freeze: float | None,
    launched: Launch,
    *,
    as_json: bool,
) -> Result:
    """Train and print progress; return the result."""
    started = time.perf_counter()
    require_extra("train", "torch")
    from penstroke import runtime
    from penstroke.cli.callbacks import SignalStop
    from penstroke.cli.training_notes import note_rejection, warn_before, warn_if_guessing
    from penstroke.training import follow_run, resume_run, train_run
    from penstroke.training.budget import for_budget
    from penstroke.training.progress import EpochPrinter, training_printer
    from penstroke.training.tracking import build_tracker

    runtime.configure(conditions.threads, tune=conditions.tune)
    warn_if_too_many_threads(conditions.threads, "training")
    device = device_of_launch(conditions.device, launched)  # checked before the data is downloaded
    trackers = [build_tracker(name, warn) for name in dict.fromkeys(track)]
    data = _loaded(conditions, recipe)
    if budget is not None:
        recipe, note = for_budget(recipe, data, budget - (time.perf_counter() - started), runtime.choose_device(device))
        warn(note)
    warn_before(recipe, data, launched.world.size)
    init = planned(source, recipe, data, freeze)
    stop = SignalStop()
    callbacks = [training_printer(recipe.log_every), *([] if as_json else [EpochPrinter(say)]), *trackers, stop]
    with stop.listening(), connected(launched, device) as (world, needed):
        if world.from_first(run is not None and run.finished):
            return _nothing_to_resume(run) if run else Result(None, printed=True)
        if not launched.leads:
            fitted = follow_run(data, world=world, device=device, callbacks=[stop, *needed])
            return Result(None, exit_code=0 if fitted.history.finished else stop.exit_code, printed=True)
        how: dict[str, Any] = {"device": device, "callbacks": [*callbacks, *needed], "report": warn, "world": world}
        if run is None:
            interval = interval or CheckpointInterval()
            run, fitted = train_run(recipe, data, out=out, interval=interval, init=init, job=launched.job, **how)
            warn_if_renamed(out, run.path)
        else:
            fitted = resume_run(run, data, interval=interval, **how)
        warn_if_guessing(fitted, data, balanced=recipe.class_weights == "balanced")
        note_rejection(fitted)
        text = _drawn(run, fitted, data, recipe)
    if fitted.history.finished:  # a signal after the last step has no effect
        return Result(_value(run), escape_control(text))
    start = "" if run.checkpoints() else ", from the beginning: it has no checkpoint"
    warn(f"stopped; continue with `penstroke train --resume {run.path}`{start}")
    return Result(_value(run), escape_control(text), stop.exit_code)


def _loaded(conditions: Conditions, recipe: "Recipe") -> "Dataset":
    """Return the data of a training; report notes on them, and a validation split that is not used."""
    from penstroke.cli.progress import Downloads
    from penstroke.data import load

    data = load(conditions.data, progress=Downloads(), size=conditions.size, skip_broken=conditions.skip_broken)
    load_outliers(conditions.outliers_from, data)
    for note in data.notes:
        warn(note)
    if recipe.validation is None and data.load_validation:
        warn(f"the validation split of the data is not used: {recipe.name} has no validation; use --validation 0.1")
    return data


def _drawn(run: "Run", fitted: "Fitted", data: "Dataset", recipe: "Recipe") -> str:
    """Return the measurements as text; draw a test image and curves, unless the training was stopped.

    A test image is drawn only if the recipe tests each epoch, and curves only from ``CURVES_FROM`` on.
    """
    lines = []
    tested = recipe.evaluation.test_each_epoch
    if fitted.history.finished and tested:
        from penstroke.report.views import draw_samples

        picture, (sample,) = draw_samples(fitted.classifier(), data.test, [0], run.pictures)
        label = sample.prediction.label or "none"
        lines.append(f"test image 0: prediction {label}, truth {sample.truth}, picture {picture}")
    if fitted.history.finished and fitted.history.seconds >= CURVES_FROM:
        from penstroke.report.views import draw_curves

        lines.append(f"curves: {draw_curves(run)}")
    record = run.record
    if record.kept_epoch:
        lines.append(f"kept: the weights of epoch {record.kept_epoch}, which has the lowest validation loss")
    lines.append(f"run: {run.path} ({record.state}, data {data.card.name}, {record.seconds or 0.0:.1f} s)")
    if fitted.history.finished and not tested:
        lines.append(f"not measured on test images yet: penstroke test {run.path}")
    return "\n".join(lines)


def _nothing_to_resume(run: "Run") -> Result:
    """Report that the run is finished, which is not an error, and remove partial files of killed processes."""
    with run.locked_for_training():
        run.remove_leftovers()
    warn(f"{run.path} is finished: there is nothing to resume")
    return Result(_value(run))


def _value(run: "Run") -> dict[str, Any]:
    """Return what ``--json`` prints of a run."""
    record = run.record
    return {
        "run": str(run.path),
        "recipe": run.recipe().to_json(),
        "data": record.data,
        "init": record.init,
        "epochs": record.epochs,
        "seconds": record.seconds,
        "kept_epoch": record.kept_epoch,
        "finished": run.finished,
    }
