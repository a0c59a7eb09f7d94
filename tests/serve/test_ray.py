"""The deployment on Ray Serve answers as the server does, on a local Ray."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("ray.serve", reason="Ray Serve is not installed", exc_type=ImportError)
ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import json, urllib.request
import ray
from ray import serve
from deploy.ray_serve import penstroke

ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
serve.start(http_options={"host": "127.0.0.1", "port": PORT})
serve.run(penstroke)
picture = open("docs/images/on-paper.jpg", "rb").read()
url = "http://127.0.0.1:PORT"
answers = {"model": json.load(urllib.request.urlopen(f"{url}/v1/model"))["backend"]}
answers["predict"] = json.load(urllib.request.urlopen(f"{url}/v1/predict", picture, timeout=30))["label"]
answers["page"] = urllib.request.urlopen(url).read()[:15].decode()
print("ANSWERS", json.dumps(answers))
serve.shutdown()
ray.shutdown()
"""


def test_the_deployment_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-c", PROGRAM.replace("PORT", str(port))]
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:  # paths of sockets are short
        environment |= {"RAY_TMPDIR": folder, "RAY_AUTH_MODE": "disabled"}
        environment |= {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60", "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("ANSWERS "))
    assert json.loads(line.partition(" ")[2]) == {"model": "onnx", "predict": "8", "page": "<!doctype html>"}
