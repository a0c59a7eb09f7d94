"""What a training or a prediction runs on: device, threads, memory allocator, random state, environment.

This module knows nothing of datasets, models or recipes.
"""

import ctypes
import mmap
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from penstroke.errors import ModelError, UsageError, nearest

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_LARGEST_KEPT = 1 << 25  # bytes; glibc refuses more, silently
_TRIM_ABOVE = (1 << 31) - 1  # bytes of free memory
_settings: dict[str, Any] = {"prepared": False, "allocator": "as found", "flush_denormal": False}


def prepare(threads: int | None = None, *, tune: bool = True) -> None:
    """Set the process up for training, once and before PyTorch allocates anything large.

    Tuning changes speed alone: glibc keeps large freed blocks instead of handing them back to the kernel at every
    step, and the processor takes denormal numbers, which Adadelta's averages reach, for zero. The latter holds for the
    calling thread, and for those that PyTorch starts after this call: so it must come before the first long operation.

    Args:
        threads: threads for PyTorch's operators; None leaves PyTorch's choice, one for each core.
        tune: False leaves the allocator and the denormals as found.

    Raises:
        UsageError: ``threads`` is below 1.
    """
    _settings["prepared"] = True
    if threads is not None:
        if not 1 <= threads <= 1024:
            raise UsageError(f"--threads is {threads}, and must be from 1 to 1024.")
        torch.set_num_threads(threads)
    if tune:
        _settings["allocator"] = "large blocks kept" if _keep_large_blocks() else "as found"
        _settings["flush_denormal"] = torch.set_flush_denormal(True)


def prepare_once() -> None:
    """Do what ``prepare`` does by default, unless it was called before, with whatever choices."""
    if not _settings["prepared"]:
        prepare()


def _keep_large_blocks() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT) and mallopt(_M_TRIM_THRESHOLD, _TRIM_ABOVE))


def release_pages(mapped: Tensor) -> None:
    """Let go of the memory that a tensor mapped from a file has taken; it is read from the file again when used.

    Only for tensors over a mapped file: the content of any other would be lost.
    """
    if sys.platform.startswith("linux"):
        start = mapped.data_ptr() & -mmap.PAGESIZE
        length = mapped.data_ptr() + mapped.nbytes - start
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Turn what PyTorch raises where memory is not enough into a ``ModelError`` with ``remedy``."""
    try:
        yield
    except (MemoryError, RuntimeError) as fault:
        wanted = re.search(r"allocate (\d+ bytes|[\d.]+ [KMGT]iB)", str(fault))
        if not (wanted or isinstance(fault, MemoryError)):
            raise
        much = f": {wanted[1]} more were asked for" if wanted else ""
        raise ModelError(f"The memory of this machine is not enough{much}.", remedy) from fault


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``; ``auto`` takes the first of cuda, xpu, mps that is there, else the cpu.

    Raises:
        UsageError: the name is unknown, or that device is not there. There is no silent fallback.
    """
    kind = name.partition(":")[0]
    if kind not in DEVICES:
        meant = "cuda" if kind == "gpu" else kind
        raise UsageError(f"--device is {name!r}, which is unknown.", nearest(meant, DEVICES))
    present = [kind for kind, there in _devices().items() if there]
    if name == "auto":
        return torch.device(present[0])
    try:
        device = torch.device(name)
    except RuntimeError as fault:
        raise UsageError(f"--device is {name!r}, and must be like cpu, cuda or cuda:1.") from fault
    count = torch.accelerator.device_count() if kind != "cpu" else 1
    if kind not in present or (device.index or 0) >= count:
        raise UsageError(f"--device is {name!r}, which this machine does not have.", f"It has: {', '.join(present)}.")
    return device


def _devices() -> dict[str, bool]:
    return {
        "cuda": torch.cuda.is_available(),
        "xpu": torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }


def derived_seed(seed: int, *place: int) -> int:
    """Return a 64-bit seed that is a function of ``seed`` and of a place in the training, and of nothing else.

    A hash, since PyTorch's generator for the CPU looks at the low 32 bits alone.
    """
    return int.from_bytes(blake2b(repr((seed, *place)).encode(), digest_size=8).digest(), "little")


def seed_step(seed: int, epoch: int, step: int) -> None:
    """Make all that is random in one training step a function of (seed, epoch, step), as resuming demands."""
    value = derived_seed(seed, epoch, step)
    # Not torch.manual_seed: it takes 70 us, for devices that nobody uses. The generator of the CPU takes 1.
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(value)
    if torch.xpu.is_initialized():
        torch.xpu.manual_seed(value)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(value)


def environment(device: torch.device) -> dict[str, Any]:
    """Return the conditions that a figure depends on: versions, hardware, threads, settings, commit if known."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("penstroke", "torch", "numpy", "safetensors")},
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "commit": _commit(),
        **_settings,
    }


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return in words which conditions, as ``environment`` returns them, differ in what results can hang on."""
    idle = ("cores", "prepared", "allocator", "packages")
    told = [{**found, **found.get("packages", {})} for found in (before, now)]
    names = [name for name in told[1] if name not in idle]
    return [
        f"{name}: {told[0].get(name)} then, {told[1][name]} now" for name in names if told[0].get(name) != told[1][name]
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@cache
def _commit() -> str | None:
    """Return the commit of the code, with ``+`` when it was changed since, or None outside a checkout."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        tracked = subprocess.run(
            ["git", "-C", str(folder), "ls-files", "--error-unmatch", __file__], capture_output=True, timeout=5
        )
        if tracked.returncode:
            return None  # installed somewhere inside another project's checkout
        done = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
