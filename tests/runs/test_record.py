"""``run.json`` is one typed value: what is written is read back, and what is invalid is an error that lists why."""

import json
from pathlib import Path
from typing import Any

import pytest
from campaigns.plans import Fail
from hypothesis import given
from hypothesis import strategies as st

from penstroke.errors import RunError, StorageError
from penstroke.runs import RunRecord, read_record, write_record
from penstroke.storage import disk

FULL = RunRecord(
    state="failed",
    created="2026-01-02T03:04:05.000006+00:00",
    data={"source": "mnist5k", "name": "mnist5k", "requested": "auto", "notes": ["a note"]},
    epochs=[{"epoch": 1, "train_loss": 0.5, "test": None}],
    seconds=1.5,
    error={"kind": "model", "message": "It went wrong.", "remedy": "Try again."},
    resumed=[{"after": "epoch 1, step 2", "when": "2026-01-02T03:04:05+00:00", "differ": ["threads: 1 then, 2 now"]}],
    imported={"kind": "textbook"},
    checkpoint_every="30s",
)
SHORT = RunRecord(state="running", created="2026-01-02T03:04:05.000006+00:00")


@pytest.mark.parametrize("record", [FULL, SHORT])
def test_a_record_that_was_written_is_read_back(record: RunRecord, tmp_path: Path) -> None:
    write_record(tmp_path, record)
    assert read_record(tmp_path) == record


def test_fields_without_a_value_are_left_out(tmp_path: Path) -> None:
    write_record(tmp_path, SHORT)
    assert json.loads((tmp_path / "run.json").read_text()) == {"state": "running", "created": SHORT.created}
    write_record(tmp_path, FULL)
    assert list(json.loads((tmp_path / "run.json").read_text())) == [
        "state",
        "created",
        "data",
        "epochs",
        "seconds",
        "error",
        "resumed",
        "imported",
        "checkpoint_every",
    ]


def test_keys_of_a_newer_version_are_kept(tmp_path: Path) -> None:
    values = {"state": "running", "created": "1", "ranks": 4, "data": {"source": "x", "shards": [1]}, "seconds": 3}
    (tmp_path / "run.json").write_text(json.dumps(values))
    record = read_record(tmp_path)
    assert (record.seconds, record.unknown) == (3.0, {"ranks": 4})
    write_record(tmp_path, record)
    assert json.loads((tmp_path / "run.json").read_text()) == values


@pytest.mark.parametrize(
    ("values", "problems"),
    [
        ({}, ["state: field required", "created: field required"]),
        ({"state": "dancing", "created": 3}, ["state: input should be 'running', ", "created: "]),
        ({"data": ["mnist"]}, ["data: "]),
        ({"data": {"name": "mnist"}}, ["data.source: field required"]),
        ({"data": {"source": "a", "notes": "b"}}, ["data.notes: "]),
        ({"epochs": [1]}, ["epochs.0: "]),
        ({"epochs": {}}, ["epochs: "]),
        ({"seconds": "3"}, ["seconds: "]),
        ({"error": "it failed"}, ["error: "]),
        ({"error": {"kind": "a", "message": None, "remedy": ""}}, ["error.message: "]),
        ({"resumed": [{"after": 1, "when": "", "differ": []}]}, ["resumed.0.after: "]),
        ({"imported": []}, ["imported: "]),
        ({"checkpoint_every": 30}, ["checkpoint_every: "]),
    ],
)
def test_every_problem_of_an_invalid_record_is_listed(
    values: dict[str, Any], problems: list[str], tmp_path: Path
) -> None:
    base = {"state": "running", "created": "1"} if values.keys().isdisjoint({"state", "created"}) and values else {}
    (tmp_path / "run.json").write_text(json.dumps(base | values))
    with pytest.raises(RunError, match=r"run\.json is invalid: .* The run is damaged; use another one\.") as caught:
        read_record(tmp_path)
    assert all(problem in caught.value.message for problem in problems)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "[" * 100_000, "\x00", '{"epochs": 1e999}', '"\\ud800"'])
def test_a_file_that_is_not_a_json_object_is_an_error(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunError, match=r"run\.json (is invalid|holds a)"):
        read_record(tmp_path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run\.json cannot be read: No such file"):
        read_record(tmp_path)


def test_an_error_while_writing_keeps_the_old_record(tmp_path: Path) -> None:
    write_record(tmp_path, SHORT)
    for at in range(1, 5):
        with disk.watched(Fail(at, 28)), pytest.raises(StorageError, match="No space left"):
            write_record(tmp_path, FULL)
        assert read_record(tmp_path) == SHORT


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(0, 1) | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
names = st.sampled_from([*SHORT.__dataclass_fields__, "other"])


@given(st.dictionaries(names, values))
def test_any_json_object_is_a_record_or_a_value_error(changes: dict[str, Any]) -> None:
    try:
        record = RunRecord.from_json({"state": "running", "created": "1"} | changes)
    except ValueError:
        return
    assert RunRecord.from_json(record.to_json()) == record
