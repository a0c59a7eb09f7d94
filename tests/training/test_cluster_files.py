"""The files for clusters in ``deploy/``: what can be checked without a cluster."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.server import free_port

from penstroke.runs import Run

yaml = pytest.importorskip("yaml")
DEPLOY = Path(__file__).parents[2] / "deploy"


def make_command(folder: Path, name: str, script: str) -> None:
    """Write a shell script that stands for a command of Slurm."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_script_for_slurm_trains_and_continues_its_run(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    make_command(commands, "scontrol", f'[ "$*" = "show hostnames {"node[1-2]"}" ] && printf "localhost\\nnode2\\n"')
    make_command(commands, "srun", 'exec "$@"')
    slurm = {"JOB_NODELIST": "node[1-2]", "JOB_NUM_NODES": "1", "CPUS_ON_NODE": "2", "JOB_ID": "17"}
    variables = {f"SLURM_{name}": value for name, value in slurm.items()} | {"PORT": str(free_port())}
    paths = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": paths, "OMP_NUM_THREADS": "1"}
    words = ["fast", "--data", "mnist5k", "--no-test-each-epoch", "--epochs", "1", "--out", "run"]
    command = ["bash", str(DEPLOY / "slurm.sh"), *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    record = Run(tmp_path / "run").record
    assert record.state == "finished"
    assert record.job == "slurm-17"


def objects(node: Any) -> list[dict[str, Any]]:
    """Return all objects in a document."""
    inside = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
    return [*([node] if isinstance(node, dict) else []), *(found for each in inside for found in objects(each))]


@pytest.mark.parametrize("name", ["train", "predict"])
def test_each_mount_has_a_volume_and_each_container_an_image(name: str) -> None:
    document = yaml.safe_load((DEPLOY / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8"))
    pods = [found for found in objects(document) if "containers" in found]
    assert pods
    for pod in pods:
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert {found["image"] for found in objects(document) if "image" in found} == {"penstroke-ray"}


def test_the_commands_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    from penstroke.cli.app import app

    train, predict = (
        yaml.safe_load((DEPLOY / "kubernetes" / f"{name}.yaml").read_text(encoding="utf-8"))["spec"]
        for name in ("train", "predict")
    )
    assert train["trainer"]["command"][-2:] == ["-m", "penstroke"]
    name, *words = shlex.split(predict["entrypoint"])
    assert name == "penstroke"
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    for given in (train["trainer"]["args"], words):
        _, bound, unknown = app.parse_known_args(given)[:3]
        assert not unknown
        assert bound.arguments


def test_the_image_has_the_versions_of_the_constraints() -> None:
    image = (DEPLOY / "Dockerfile.ray").read_text(encoding="utf-8")
    constraints = (DEPLOY.parent / "constraints.txt").read_text(encoding="utf-8")
    (version,) = (line[5:] for line in constraints.splitlines() if line.startswith("ray=="))
    assert f"rayproject/ray:{version}-" in image
    (cluster,) = (
        found["rayVersion"]
        for found in objects(yaml.safe_load((DEPLOY / "kubernetes/predict.yaml").read_text(encoding="utf-8")))
        if "rayVersion" in found
    )
    assert cluster == version
