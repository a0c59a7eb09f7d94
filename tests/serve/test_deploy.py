"""The files of ``deploy/``: what can be checked without an engine for containers."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.server import Server

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines if line.strip()]


def test_the_dockerfile() -> None:
    found = instructions()
    known = {"FROM", "COPY", "RUN", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT"}
    assert {name for name, _ in found} <= known
    last = [name for name, _ in found][::-1].index("FROM")
    values = dict(found[-last - 1 :])
    user, _, group = values["USER"].partition(":")
    assert min(int(user), int(group)) > 0, "the server does not run as root"
    assert "/readyz" in values["HEALTHCHECK"]
    words = json.loads(values["ENTRYPOINT"])
    assert words[1:3] == ["serve", "ready"]
    assert Path(words[0]).is_relative_to(values["COPY"].split()[-1])
    assert all(":" in image for name, image in found if name == "FROM"), "the images have versions"
    for name, value in found:
        if name == "COPY" and "--from" not in value:
            assert (ROOT / value.split()[0]).exists()


def test_the_compose_file() -> None:
    yaml = pytest.importorskip("yaml")
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    own = services["penstroke"]
    assert (own["read_only"], own["cap_drop"]) == (True, ["ALL"])
    assert (DEPLOY / own["build"]["context"] / own["build"]["dockerfile"]).is_file()
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert all((DEPLOY / volume.split(":")[0]).exists() for volume in service.get("volumes", ()))
    scraped = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scraped[0]["static_configs"][0]["targets"] == ["penstroke:8000"]


def test_the_dashboard_shows_metrics_that_exist(server: Server, digits: list[bytes]) -> None:
    server.post("/v1/predict", digits[0])
    text = server.request("GET", "/metrics")[2].decode()
    known = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    dashboard = json.loads((DEPLOY / "grafana/dashboards/penstroke.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for query in queries for name in re.findall(r"penstroke_\w+", query)}
    assert len(used) > 5
    assert {re.sub(r"_(bucket|total)$", "", name) for name in used} <= {name.removesuffix("_total") for name in known}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "penstroke.service").read_text(encoding="utf-8")
    unit = tmp_path / "penstroke.service"
    unit.write_text(text.replace("/opt/penstroke/bin/penstroke", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    problems = [line for line in done.stderr.splitlines() if "penstroke" in line]
    assert not problems
