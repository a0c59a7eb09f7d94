"""A job without Ray: interruptions at any part, folders of other jobs, damaged files, broken and hostile pictures."""

import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.small import files_below

from penstroke import Classifier
from penstroke.data import Dataset
from penstroke.errors import DataError, ModelError, ProcessError, RunError
from penstroke.scale import Job, Pictures, open_array, plan_job
from penstroke.scale.job import Task
from penstroke.scale.parts import Part
from penstroke.scale.predictor import ATTEMPTS, Predictor
from penstroke.scale.rows import PartFile
from penstroke.storage import locked

PIXELS = 1_000_000
READY = Path("ready")


class Engine:
    """Predicts parts in this process, in reverse order, and stops after ``stop_after`` of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.predicted: list[int] = []

    def __call__(self, task: Task, parts: Sequence[Part]) -> Generator[PartFile]:
        predictor = Predictor(task)
        try:
            for count, part in enumerate(reversed(parts)):
                if count == self.stop_after:
                    raise KeyboardInterrupt
                yield predictor(part)
                self.predicted.append(part.number)
        finally:
            predictor.close()


@pytest.fixture
def array(sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a folder with ``images.npy``, 500 digits."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", sample.test.images[:500, 0])
    return Path("images.npy")


def plan(array: Path, output: str = "out", **options: Any) -> Job:
    return plan_job(
        [open_array(array, (1, 28, 28))], READY, Path(output), **{"part_size": 120, "max_pixels": PIXELS, **options}
    )


def run(job: Job, engine: Engine | None = None) -> list[str]:
    """Run a job, and return the notes."""
    notes: list[str] = []
    job.run(engine or Engine(), lambda done, total: None, notes.append)
    return notes


def rows(output: str) -> list[dict[str, Any]]:
    return [row for path in sorted(Path(output).glob("part-*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_all_rows_are_written_and_equal_those_of_the_classifier(array: Path, sample: Dataset) -> None:
    progress: list[tuple[int, int]] = []
    manifest = plan(array).run(Engine(), lambda *done: progress.append(done))
    assert progress == [(0, 500), (20, 500), (140, 500), (260, 500), (380, 500), (500, 500)]
    found = rows("out")
    expected = Classifier.load("ready").predict(sample.test.images[:500])
    assert [row["file"] for row in found] == [f"images.npy#{index}" for index in range(500)]
    assert [row["label"] for row in found] == [prediction.label for prediction in expected]
    np.testing.assert_allclose(
        [[row[f"p_{digit}"] for digit in range(10)] for row in found],
        [each.probabilities for each in expected],
        atol=1e-6,
    )
    written = json.loads(Path("out/manifest.json").read_text())
    assert written == manifest.to_json()
    assert (written["rows"], written["errors"], len(written["parts"])) == (500, 0, 5)
    assert written["abstained"] == sum(row["abstained"] for row in found)
    assert {*files_below(Path("out"))} - {".lock"} == {
        "job.json",
        "manifest.json",
        *(p["name"] for p in written["parts"]),
    }


def test_an_interrupted_job_continues_and_gives_the_same_files(array: Path) -> None:
    run(plan(array, "whole"))
    engines = [Engine(stop_after=2), Engine(stop_after=0), Engine()]
    for engine in engines[:2]:
        with pytest.raises(KeyboardInterrupt):
            run(plan(array), engine)
    Path("out/.part-000000.parquet.123.partial").write_bytes(b"half")
    assert run(plan(array), engines[2]) == ["out is continued: 2 of 5 parts are finished"]
    assert [engine.predicted for engine in engines] == [[4, 3], [], [2, 1, 0]]
    assert {name: content for name, content in files_below(Path("out")).items() if name != ".lock"} == {
        name: content for name, content in files_below(Path("whole")).items() if name != ".lock"
    }
    finished = Engine()
    run(plan(array), finished)
    assert finished.predicted == []


def test_the_folder_of_another_job_is_rejected_with_the_difference(
    array: Path, sample: Dataset, tmp_path: Path
) -> None:
    run(plan(array))
    before = files_below(Path("out"))
    other_model = tmp_path / "other.safetensors"
    Classifier.load("ready", backend="torch").save(other_model)
    Image.fromarray(sample.test.images[0, 0]).save("1.png")
    same_count = tmp_path / "more.npy"
    np.save(same_count, sample.test.images[500:1000, 0])
    cases = [
        (plan(array, part_size=121), "its part size is 120, and that of this command is 121"),
        (plan(array, part_size=None), "and that of this command is the default"),
        (plan(array, max_pixels=5), "its size limit of a picture in pixels is 1000000"),
        (plan(same_count), "its list of files with their names and sizes, whose SHA-256 is"),
        (plan_job([Pictures((Path("1.png"),))], READY, Path("out"), part_size=120, max_pixels=PIXELS),
         "its number of pictures is 500, and that of this command is 1"),
        (plan_job([open_array(array, (1, 28, 28))], other_model, Path("out"), part_size=120, max_pixels=PIXELS),
         "its model, whose SHA-256 is"),
    ]  # fmt: skip
    for job, message in cases:
        with pytest.raises(RunError) as caught:
            run(job)
        assert message in caught.value.message
        assert "--output" in caught.value.remedy
    assert files_below(Path("out")) == before


def test_a_folder_of_something_else_is_rejected(array: Path) -> None:
    Path("out").mkdir()
    Path("out/notes.txt").touch()
    with pytest.raises(RunError, match=r"not empty, and has no job\.json: it has notes\.txt"):
        run(plan(array))
    Path("out/job.json").write_text("{")
    with pytest.raises(RunError, match=r"job\.json is damaged"):
        run(plan(array))
    Path("out/job.json").write_text("[]")
    with pytest.raises(RunError, match="another job: its format is"):
        run(plan(array))


def test_only_one_process_works_on_a_folder(array: Path) -> None:
    run(plan(array))
    with locked(Path("out"), "other"), pytest.raises(RunError, match="Another process predicts into out"):
        run(plan(array))


def test_damaged_files_are_set_aside_and_predicted_again(array: Path) -> None:
    run(plan(array))
    before = files_below(Path("out"))
    parts = [Path(f"out/part-00000{number}.parquet") for number in range(5)]
    parts[0].write_bytes(parts[0].read_bytes()[:-3])
    parts[1].write_bytes(parts[2].read_bytes())
    changed = bytearray(parts[3].read_bytes())
    changed[100] ^= 1  # a value, which the footer does not tell
    parts[3].write_bytes(changed)
    engine = Engine()
    notes = run(plan(array), engine)
    assert engine.predicted == [3, 1, 0]
    assert [note.partition(" is predicted again: ")[2] for note in notes[:3]] == [
        "it is damaged; it was renamed to part-000000.parquet.rejected",
        "it belongs to another job; it was renamed to part-000001.parquet.rejected",
        "it differs from its SHA-256 in manifest.json; it was renamed to part-000003.parquet.rejected",
    ]
    assert {name: content for name, content in files_below(Path("out")).items() if "rejected" not in name} == before


def test_broken_and_hostile_pictures_are_rows_with_an_error(
    sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digit = Image.fromarray(sample.test.images[0, 0])
    for number in range(12):
        digit.save(f"{number}.png")
    good = Path("0.png").read_bytes()
    Path("1.png").write_bytes(good[:60])
    Path("2.png").write_text("hello")
    Path("3.png").unlink()
    Path("4.png").write_bytes(b"")
    Image.new("L", (1100, 1000)).save("5.png")  # more than PIXELS
    Image.new("L", (60, 60), 255).save("6.png")  # blank
    Path("7.png").unlink()
    os.mkfifo("7.png")
    Path("8.png").unlink()
    Path("8.png").symlink_to("8.png")
    Path("9.png").unlink()
    Path("9.png").mkdir()
    pictures = Pictures(tuple(Path(f"{number}.png") for number in range(12)))
    manifest = plan_job([pictures], READY, Path("out"), part_size=5, max_pixels=PIXELS).run(Engine(), lambda *_: None)
    found = rows("out")
    assert [row["file"] for row in found] == [f"{number}.png" for number in range(12)]
    assert [bool(row["error"]) for row in found] == [1 <= number <= 9 and number != 6 for number in range(12)]
    assert [bool(row["reason"]) for row in found] == [number == 6 for number in range(12)]
    assert (manifest.rows, manifest.errors, manifest.abstained) == (12, 8, 1)
    assert found[0]["label"] == found[11]["label"] == Classifier.load("ready").predict(good).label
    assert found[1]["p_0"] is found[1]["label"] is found[1]["probability"] is None
    assert all(row["abstained"] == (row["label"] is None) for row in found)


def test_a_changed_array_or_model_ends_the_job(array: Path, sample: Dataset, tmp_path: Path) -> None:
    job = plan(array)
    np.save(array, sample.test.images[:200, 0])
    with pytest.raises(DataError, match="lost images"):
        run(job)
    model = tmp_path / "model.safetensors"
    Classifier.load("ready", backend="torch").save(model)
    job = plan_job([open_array(array, (1, 28, 28))], model, Path("other"), max_pixels=PIXELS)
    model.write_bytes(model.read_bytes() + b"1")
    with pytest.raises(ModelError, match="has changed since the job began"):
        run(job)


def test_a_part_that_ends_its_processes_again_and_again_ends_the_job(
    array: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: Classifier, images: np.ndarray) -> None:
        raise SystemExit("as if the process was killed")

    run(plan(array))
    Path("out/part-000001.parquet").unlink()
    job = plan(array)
    with monkeypatch.context() as patch:
        patch.setattr(Classifier, "log_probs", die)
        for _ in range(ATTEMPTS):
            with pytest.raises(SystemExit):
                Predictor(job.task)(job.parts[1])
    with pytest.raises(
        ProcessError, match=r"4 processes have ended while they predicted images\.npy#120 to images\.npy#239"
    ):
        Predictor(job.task)(job.parts[1])
    run(job)  # the same command tries again
    assert not list(Path("out").glob(".part-*"))
