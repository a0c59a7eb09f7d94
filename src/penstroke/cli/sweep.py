"""``penstroke sweep [RECIPE] --vary FIELD=VALUE,VALUE``: train all combinations of fields of a recipe."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from penstroke.cli.experiments import Images, Jobs, JobThreads, Seeds, run_and_summarise
from penstroke.cli.find_lr import find_lr as run_range_test
from penstroke.cli.options import Device, Json, Size, SkipBroken
from penstroke.cli.output import Result
from penstroke.cli.recipe_options import chosen_recipe, with_recipe_options
from penstroke.cli.seeds import check_inapplicable
from penstroke.cli.train import Config, RecipeName, TrainingData
from penstroke.errors import UsageError
from penstroke.experiments.source import Source

Vary = Annotated[
    list[str] | None,
    Parameter(
        name="--vary",
        help="A field of the recipe and its values; repeat it for a grid of several fields.",
        metavar="FIELD=A,B",
        show_default=False,
        negative_iterable="",
    ),
]
FindLr = Annotated[
    bool,
    Parameter(
        name="--find-lr",
        help="Instead of a sweep, train once while the learning rate rises, and suggest a learning rate.",
        negative="",
        show_default=False,
    ),
]
SweepFolder = Annotated[
    Path | None,
    Parameter(
        name="--out",
        metavar="PATH",
        help="Folder for the runs, the table and the figure; finished runs in it are not repeated.",
        show_default="sweeps/RECIPE-FIELDS",
    ),
]


@with_recipe_options
def sweep(
    recipe: RecipeName = None,
    /,
    *,
    vary: Vary = None,
    find_lr: FindLr = False,
    seeds: Seeds = 1,
    images: Images = None,
    data: TrainingData = None,
    size: Size = None,
    skip_broken: SkipBroken = False,
    out: SweepFolder = None,
    config: Config = None,
    jobs: Jobs = None,
    threads: JobThreads = None,
    device: Device = "auto",
    json: Json = False,  # noqa: ARG001 - read by `app.run`
    **fields: Any,
) -> Result:
    """Train each combination of values with each seed, and return one table."""
    from penstroke.experiments import build_plan, parse_variation

    base = chosen_recipe(recipe, config, fields, data)
    source = Source(data or "auto", images, size, skip_broken)
    if find_lr:
        check_inapplicable("--find-lr", {"--vary": vary, "--jobs": jobs, "--seeds": seeds if seeds > 1 else None})
        folder = out or Path("sweeps") / f"{base.name}-find-lr"
        return run_range_test(base, folder, source, threads, device)
    if not vary:
        raise UsageError(
            "--vary is missing.", "Name a field and its values: --vary lr=0.1,0.5. For seeds alone: train --seeds 5."
        )
    plan = build_plan(base, [parse_variation(text) for text in vary], seeds)
    folder = out or Path("sweeps") / "-".join([base.name, *plan.fields])
    return run_and_summarise(plan, folder, source, jobs, threads, device)
