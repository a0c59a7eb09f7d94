"""What the commands that train many recipes share: options, progress, and the text of a table."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from penstroke.cli.options import integer_from
from penstroke.cli.output import Result, escape_control, percent, table, warn
from penstroke.errors import MissingExtraError, require_extra
from penstroke.runtime.terminal import emit

if TYPE_CHECKING:
    from penstroke.experiments import Experiment, Plan, Table
    from penstroke.experiments.runner import Experiments
    from penstroke.experiments.source import Source

Seeds = Annotated[
    int,
    Parameter(
        name="--seeds", help="Seeds per setting, from --seed on.", metavar="INT", converter=integer_from(1, 1000)
    ),
]
Images = Annotated[
    int | None,
    Parameter(
        name="--images",
        help="Train on this number of images, the same share of each class.",
        metavar="INT",
        converter=integer_from(1),
        show_default="all",
    ),
]
Jobs = Annotated[
    int | None,
    Parameter(
        name="--jobs",
        help="Trainings at the same time, each in a process.",
        metavar="INT",
        converter=integer_from(1, 1024),
        show_default="one per core; 1 on other devices",
    ),
]
JobThreads = Annotated[
    int | None,
    Parameter(
        name="--threads",
        help="Threads of each process.",
        metavar="INT",
        converter=integer_from(1, 1024),
        show_default="cores / jobs",
    ),
]


def run_and_summarise(
    plan: "Plan",
    folder: Path,
    source: "Source",
    jobs: int | None,
    threads: int | None,
    device: str,
    *,
    committee: bool = False,
) -> Result:
    """Train the runs of a plan that are not done, write the table and the figure, and return them.

    With ``committee``, the models are also joined to one.

    Raises:
        PenstrokeError: see ``open_experiments`` and ``run_experiments``.
    """
    require_extra("train", "torch")
    from penstroke.cli.progress import Downloads
    from penstroke.experiments import build_table, open_experiments, run_experiments
    from penstroke.experiments.table import write_table
    from penstroke.experiments.workers import Conditions

    experiments = open_experiments(plan, folder, source, progress=Downloads())
    for note in experiments.data.notes:
        warn(note)
    done = sum(map(experiments.done, experiments.plan.experiments()))
    if done:
        warn(f"{done} of {len(plan)} trainings in {folder} are done and are not repeated")
    try:
        run_experiments(experiments, Conditions(jobs, threads, device), _reporter(experiments))
    except (KeyboardInterrupt, SystemExit):
        warn("stopped; run the same command again to continue")
        raise
    result = build_table(experiments)
    if result.measured == "test" and len(result.rows) > 1:
        warn(
            "the accuracies are measured on test images: they are for reporting; to choose a setting, use "
            "--validation 0.1 --no-test-each-epoch"
        )
    write_table(result, folder)
    figure = save_plot(lambda: _draw(result), folder / "figure.png")
    return _table_result(result, folder, figure, _committee(experiments, device) if committee else None)


def _committee(experiments: "Experiments", device: str) -> Path:
    """Join the models of an experiment, and return the run of the committee."""
    from penstroke import runtime
    from penstroke.experiments.committee import make_committee

    runtime.configure()
    return make_committee(experiments, device).path


def save_plot(draw: Callable[[], Any], path: Path) -> Path | None:
    """Write the figure that ``draw`` returns, and return its path; None, with a note, without matplotlib."""
    try:
        require_extra("train", "matplotlib")
    except MissingExtraError as error:
        warn(f"no figure is drawn: {error.message} {error.remedy}")
        return None
    from penstroke.report.plots import save_figure

    return save_figure(draw(), path)


def _draw(result: "Table") -> Any:
    """Return the figure of a table."""
    from penstroke.experiments.figure import table_figure

    return table_figure(result)


def _reporter(experiments: "Experiments") -> Callable[["Experiment", int], None]:
    """Return a function that prints a line on stderr for each training that ended."""

    from penstroke.experiments.runner import kept_row

    def report(experiment: "Experiment", left: int) -> None:
        record = experiments.run(experiment).record
        text = "diverged" if record.state == "failed" else _scores(kept_row(record))
        total = len(experiments.plan)
        emit(f"{total - left} of {total}: {experiment.setting.label}, seed {experiment.seed}: {text}", sys.stderr)

    return report


def _scores(row: dict[str, Any]) -> str:
    """Return the accuracy of a training."""
    found = [f"{name} accuracy {percent(row[name]['accuracy'])}" for name in ("validation", "test") if row.get(name)]
    return ", ".join(found) or "finished"


def _table_result(result: "Table", folder: Path, figure: Path | None, committee: Path | None) -> Result:
    """Return the result of a command that made a table."""
    header, rows = result.cells()
    files = [folder / name for name in ("table.csv", "runs.csv", "table.md")] + ([figure] if figure else [])
    lines = [table(header, rows), *result.notes(), f"files: {', '.join(map(str, files))}"]
    if committee:
        lines.append(f"committee: {committee} (not measured on test images yet: penstroke test {committee})")
    value = {"folder": str(folder), "figure": str(figure) if figure else None} | result.to_json()
    value["committee"] = str(committee) if committee else None
    return Result(value, escape_control("\n".join(lines)))
