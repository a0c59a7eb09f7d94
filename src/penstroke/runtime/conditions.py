"""The conditions that a result depends on, and how two sets of conditions differ. Works without torch."""

import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from penstroke.runtime.settings import settings

_PACKAGES = ("penstroke", "torch", "numpy", "safetensors")
_NOT_INSTALLED = "not installed"
_IGNORED = ("cores", "prepared", "allocator", "packages")
"""Conditions that do not change results; the versions in ``packages`` are compared individually."""


def environment(device: str) -> dict[str, Any]:
    """Return the conditions that a result depends on, ready for JSON.

    Args:
        device: name of the device, such as ``cpu`` or ``cuda:1``.

    Returns:
        Versions, hardware, threads, settings and, if known, the commit of the code. Without torch, its version is
        ``not installed`` and ``threads`` is None.
    """
    packages = {name: _version(name) for name in _PACKAGES}
    name, threads = _processor(), None
    try:
        import torch
    except ImportError:
        packages["torch"] = _NOT_INSTALLED
    else:
        threads = torch.get_num_threads()
        if device.startswith("cuda"):
            name = torch.cuda.get_device_name(device)
    return {
        "python": platform.python_version(),
        "packages": packages,
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": device,
        "device_name": name,
        "threads": threads,
        "commit": _commit(),
        **settings(),
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return one phrase for each condition that differs and can change results.

    Args:
        before: conditions as returned by ``environment``; missing ones count as None.
        now: conditions to compare with, as returned by ``environment``.
    """
    old, new = ({**conditions, **conditions.get("packages", {})} for conditions in (before, now))
    return [
        f"{name}: {old.get(name)} then, {value} now"
        for name, value in new.items()
        if name not in _IGNORED and old.get(name) != value
    ]


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes 20 ms; the command line does not need it

    try:
        return version(package)
    except PackageNotFoundError:
        return _NOT_INSTALLED


@cache
def _processor() -> str:
    """Return the model name of the processor, or its architecture if the name is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _commit() -> str | None:
    """Return the commit of the code, with ``+`` if the code was changed since, or None outside a checkout."""
    import subprocess

    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        tracked = subprocess.run([*git, "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=5)
        if tracked.returncode:
            return None  # installed inside the checkout of another project
        command = [*git, "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        described = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
