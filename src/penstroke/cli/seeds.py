"""``penstroke train --seeds N``: train a recipe with several seeds, and summarise the results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.experiments import run_and_summarise
from penstroke.cli.options import integer_from
from penstroke.cli.output import Result
from penstroke.errors import UsageError

if TYPE_CHECKING:
    from penstroke.experiments.source import Source
    from penstroke.recipes import Recipe

TrainSeeds = Annotated[
    int | None,
    Parameter(
        name="--seeds",
        help="Train with several seeds, from --seed on, and summarise; continues what is unfinished.",
        metavar="INT",
        converter=integer_from(1, 1000),
        show_default=False,
    ),
]
TrainJobs = Annotated[
    int | None,
    Parameter(
        name="--jobs",
        help="With --seeds: trainings at the same time, each in a process.",
        metavar="INT",
        converter=integer_from(1, 1024),
        show_default="one per core; 1 on other devices",
    ),
]
AsCommittee = Annotated[
    bool,
    Parameter(
        name="--committee",
        help="With --seeds: also join the models, so that their mean probabilities are one answer.",
        negative="",
        show_default=False,
    ),
]


def train_seeds(
    recipe: "Recipe",
    seeds: int,
    *,
    source: "Source",
    out: Path | None,
    jobs: int | None,
    threads: int | None,
    device: str | None,
    committee: bool,
    inapplicable: dict[str, Any],
) -> Result:
    """Train ``recipe`` with several seeds in the runs ``OUT/seed-0``, ``OUT/seed-1``..., and return the table.

    Args:
        recipe: its seed is the first one.
        seeds: number of seeds.
        source: the data.
        out: folder of the runs; by default ``runs/NAME-seeds``.
        jobs: number of processes.
        threads: threads of each process.
        device: see ``fit``.
        committee: whether the models are joined, in the run ``OUT/committee``.
        inapplicable: options by name that must not be given together with ``--seeds``.

    Raises:
        UsageError: one of them is given, no accuracy would be measured, or a committee would have one member.
    """
    check_inapplicable("--seeds", inapplicable)
    if committee and seeds < 2:
        raise UsageError(f"--seeds is {seeds}; a committee has at least two members.", "Use --seeds 5.")
    from penstroke.experiments import build_plan
    from penstroke.runs import HOME

    plan = build_plan(recipe, (), seeds)
    folder = out or HOME / f"{recipe.name}-seeds"
    return run_and_summarise(plan, folder, source, jobs, threads, device or "auto", committee=committee)


def check_inapplicable(mode: str, options: dict[str, Any]) -> None:
    """Check that none of the options is given; a value other than None and False is given.

    Args:
        mode: the option that they do not apply to.
        options: values by option.

    Raises:
        UsageError: one or more are given; all of them are listed.
    """
    if given := _given(options):
        raise UsageError(f"{', '.join(given)}: not together with {mode}.", "Omit one of the two.")


def check_without_seeds(options: dict[str, Any]) -> None:
    """Check that no option of several trainings is given; a value other than None and False is given.

    Raises:
        UsageError: one is given.
    """
    if given := _given(options):
        raise UsageError(f"{given[0]} applies only to several trainings.", "Add --seeds, for example --seeds 5.")


def _given(options: dict[str, Any]) -> list[str]:
    return [name for name, value in options.items() if value is not None and value is not False]
