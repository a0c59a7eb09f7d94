"""The table of an experiment, its files and its figure."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstroke.experiments import build_table
from penstroke.experiments.figure import table_figure, tuning_figure
from penstroke.experiments.runner import Experiments, kept_row
from penstroke.experiments.table import Table, write_table
from penstroke.report.plots import save_figure
from penstroke.runs import RunRecord


@pytest.fixture(scope="module")
def table(experiments: Experiments) -> Table:
    return build_table(experiments)


def test_rows_summarise_the_runs(experiments: Experiments, table: Table) -> None:
    first, second = table.rows
    runs = [experiments.run(each).record.epochs[-1] for each in list(experiments.plan.experiments())[:3]]
    accuracies = [row["test"]["accuracy"] for row in runs]
    assert first.accuracy.values == (accuracies[0], accuracies[2])
    assert second.accuracy.values == (accuracies[1],)
    assert second.outcomes[1].state == "missing"
    assert first.seconds.mean == pytest.approx((runs[0]["seconds"] + runs[2]["seconds"]) / 2)
    assert first.cost.parameters < second.cost.parameters
    assert table.measured == "test"
    assert (table.conditions["train_images"], table.conditions["measured_images"]) == (500, 1000)


def test_the_interval_stays_within_the_possible_values(table: Table) -> None:
    low, high = table.rows[0].interval or (-1.0, 2.0)
    assert 0 <= low <= high <= 1
    assert table.rows[1].interval is None


def test_files_have_a_row_for_each_setting_and_each_training(table: Table, tmp_path: Path) -> None:
    write_table(table, tmp_path)
    with open(tmp_path / "table.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["hidden"] for row in rows] == ["4", "8"]
    assert rows[1]["sd"] == "", "undefined, not 0"
    with open(tmp_path / "runs.csv", newline="") as file:
        runs = list(csv.DictReader(file))
    assert [(row["hidden"], row["seed"], row["state"]) for row in runs] == [
        ("4", "0", "finished"),
        ("4", "1", "finished"),
        ("8", "0", "finished"),
        ("8", "1", "missing"),
    ]
    assert int(runs[0]["test_correct"]) == 1000 * float(runs[0]["test_accuracy"])
    text = (tmp_path / "table.md").read_text()
    assert text.startswith("| hidden | seeds | test accuracy, % | sd |")
    assert "mnist5k: trained on 500 images, accuracy on 1000 test images." in text
    json.dumps(table.to_json(), allow_nan=False)


def test_the_figure_shows_each_seed_and_the_costs_that_differ(table: Table, tmp_path: Path) -> None:
    figure = table_figure(table)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == ["hidden 4", "hidden 8"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert [np.size(line.get_xdata()) for line in dots] == [2, 1]
    names = [axis.get_xlabel() for axis in figure.axes]
    assert names == ["test accuracy, %", "seconds", "1,000 parameters", "MFLOP per image"]
    assert save_figure(figure, tmp_path / "figure.png").stat().st_size > 5000


def test_one_setting_is_drawn_without_costs(table: Table) -> None:
    single = Table(table.rows[:1], table.measured, table.conditions)
    assert len(table_figure(single).axes) == 1


def test_a_tuning_without_finished_trials_is_drawn(tmp_path: Path) -> None:
    figure = tuning_figure([None, None], {}, "nothing")
    assert save_figure(figure, tmp_path / "trials.png").stat().st_size > 1000
    full = tuning_figure([0.5, None, 0.7, 0.6], {"lr": 0.9, "hidden": 0.1}, "some")
    best = next(line for line in full.axes[0].lines if line.get_label() == "best so far")
    assert np.array_equal(best.get_ydata(), [50.0, 70.0, 70.0])


def test_a_run_that_keeps_its_best_epoch_is_measured_there() -> None:
    epochs: list[dict[str, object]] = [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]
    record = RunRecord(state="finished", created="now", epochs=epochs)
    assert kept_row(record) == {"epoch": 3}
    assert kept_row(replace(record, kept_epoch=2)) == {"epoch": 2}
