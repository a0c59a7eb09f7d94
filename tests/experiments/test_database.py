"""A study in a database: errors, and a search by two commands on a real PostgreSQL server."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import free_port

from penstroke import recipes
from penstroke.errors import MissingExtraError, RunError
from penstroke.experiments.database import open_database
from penstroke.experiments.ranges import parse_range
from penstroke.experiments.source import Source
from penstroke.experiments.tuning import open_tuning, tune

PLACES = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *map(Path, os.environ["PATH"].split(":"))]
"""Folders of the server's programs; Debian's package does not put them on the path."""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """Start a server in a temporary folder, and return the URL of its database."""
    programs = next((place for place in PLACES if (place / "initdb").exists()), None)
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="penstroke-", dir="/tmp"))  # a short path: it holds a socket
    # The server refuses to run as root.
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
    name = user.get("user", getpass.getuser())
    if user:
        shutil.chown(folder, "postgres")
    port = free_port()
    run: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL, "cwd": "/", **user}
    control = [str(programs / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    try:
        subprocess.run([programs / "initdb", "-D", folder / "data", "--auth", "trust", "--no-sync"], **run)
        options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off"
        subprocess.run([*control, "-l", str(folder / "log"), "-o", options, "start"], **run)
        try:
            yield f"postgresql://{name}@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], **run)
    finally:
        shutil.rmtree(folder)


def test_two_commands_search_together_and_a_killed_one_is_continued(
    postgresql: str, command: Callable[..., Any], tmp_path: Path
) -> None:
    sizes = ("--images", 600, "--epochs", 2, "--channels", 4, 16, "--batch-size", 20, "--data", "mnist5k")
    words = ("tune", "--range", "lr=0.05..5", *sizes, "--out", tmp_path / "t", "--jobs", 1, "--storage", postgresql)
    code, _ = command(*words, "--trials", 100).stop_after(1, signal.SIGKILL)
    assert code == -signal.SIGKILL
    with subprocess.Popen(
        command(*words, "--trials", 5).words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    ) as other:  # fmt: skip
        done = command(*words, "--trials", 5, "--json").finish()
        errors = other.communicate(timeout=120)[1]
    assert done.returncode == 0, done.stdout + done.stderr
    assert other.returncode == 0, errors
    recipe = recipes.book(validation=0.1, test_each_epoch=False, epochs=2, channels=(4, 16), batch_size=20)
    source = Source("mnist5k", 600)
    tuning = open_tuning(recipe, (parse_range("lr=0.05..5"),), tmp_path / "t", source, database=postgresql)
    assert 5 <= len(tuning.trials) <= 6, "the two commands may start a trial at the same time"
    assert all(trial.state.is_finished() for trial in tuning.trials)
    assert len({tuning.run(trial).path for trial in tuning.trials}) == len(tuning.trials), "no trial is trained twice"
    assert not (tmp_path / "t/study.journal").exists()
    found = json.loads(done.stdout)
    assert len(found["trials"]) >= 4


def test_databases_that_cannot_be_used_are_named_without_their_password(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"The URL of the database is invalid"):
        open_database("postgres")
    started = time.monotonic()
    with pytest.raises(RunError, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/x cannot be used") as caught:
        open_database("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 60
    with pytest.raises(MissingExtraError, match=r"The driver of the database mysql\+mysqldb://host/x is missing"):
        open_database("mysql+mysqldb://host/x")
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(RunError, match="cannot be used"):
        open_database(f"sqlite:///{tmp_path}/text.db")


def test_a_database_that_stops_answering_is_named(tmp_path: Path) -> None:
    file = tmp_path / "study.db"
    recipe = recipes.book(validation=0.1, test_each_epoch=False, epochs=1)
    source, ranges = Source("mnist5k", 300), (parse_range("lr=0.05..5"),)
    tuning = open_tuning(recipe, ranges, tmp_path / "t", source, database=f"sqlite:///{file}")
    file.write_text("no database " * 100)
    with pytest.raises(RunError, match=r"The database of the study stopped answering: file is not a database\. Check"):
        tune(tuning, 1)
