"""The types in the scripts of the web page are right: ``tsc --checkJs`` in strict mode."""

import os
import shutil
import subprocess

import pytest
from support.node import WEB

COMPILER = ["npx", "--yes", "--prefer-offline", "--package", "typescript@5.9.3", "tsc"]


def test_types_are_right() -> None:
    if not shutil.which("npx"):
        pytest.skip("npx of Node.js is not installed")
    environment = os.environ | {"npm_config_fetch_retries": "0"}
    if subprocess.run([*COMPILER, "--version"], capture_output=True, env=environment, check=False).returncode:
        pytest.skip("npx cannot install TypeScript")
    done = subprocess.run([*COMPILER, "-p", str(WEB / "jsconfig.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
